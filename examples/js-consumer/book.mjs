import { fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

// How many of the last ids are recognised, at least. A change is repeated within minutes, or by a replay; an older id makes a second
// line.
const remembered = 500_000;

// Book is this example's work: a line in a file for each event. The line also holds the event's id, so that the work and the record of
// it are one atomic write. With a database do the same: update your tables and a table of ids in one transaction. Only one process may
// write a book.
export class Book {
  #file;
  #now = new Set();
  #before = new Set();

  // The constructor reads which events are done, and removes an incomplete last line.
  constructor(path) {
    this.#file = openSync(path, "a+", 0o600);
    const bytes = readFileSync(path);
    const whole = bytes.lastIndexOf("\n") + 1;
    for (const line of bytes.toString("utf8", 0, whole).split("\n")) {
      if (line) this.#remember(JSON.parse(line).id);
    }
    ftruncateSync(this.#file, whole);
  }

  // handle does the work for an entry, and returns false if it was already done. When it returns the work survives a power cut.
  // If the work fails the error is fatal: the last line may be incomplete, and the next start repairs it.
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
