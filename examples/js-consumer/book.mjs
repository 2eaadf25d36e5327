import { fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

// How many of the last ids are recognised, at least. A change is repeated within minutes, or when its history is
// replayed; older ids than these make a second line.
const remembered = 500_000;

// Book is this example's work: a line in a file for each event. The line holds the event's id too, so that the work and
// the memory that it is done are one write: there is no moment at which only one of them has happened. With a database
// do the same: your tables and a table of ids in one transaction. One process writes a book.
export class Book {
  #file;
  #now = new Set();
  #before = new Set();

  // The constructor reads which events are done, and cuts off a last line that was not finished.
  constructor(path) {
    this.#file = openSync(path, "a+", 0o600);
    const bytes = readFileSync(path);
    const whole = bytes.lastIndexOf("\n") + 1;
    for (const line of bytes.toString("utf8", 0, whole).split("\n")) {
      if (line) this.#remember(JSON.parse(line).id);
    }
    ftruncateSync(this.#file, whole);
  }

  // handle does the work for an entry unless it is done, and tells which. When it returns the work survives a power cut.
  // Where the work fails the error is fatal: the last line may be half a line, and the next start mends it.
  handle(entry) {
    if (this.#now.has(entry.id) || this.#before.has(entry.id)) return false;
    try {
      const line = Buffer.from(JSON.stringify(entry) + "\n");
      if (writeSync(this.#file, line) !== line.length) throw new Error("the disk took half a line");
      fsyncSync(this.#file);
    } catch (err) {
      throw Object.assign(err, { fatal: true });
    }
    this.#remember(entry.id);
    return true;
  }

  #remember(id) {
    if (this.#now.size === remembered) [this.#now, this.#before] = [new Set(), this.#now];
    this.#now.add(id);
  }
}
