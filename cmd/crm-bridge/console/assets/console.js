// What the pages do beside showing HTML: refreshing, copying, and showing what happens. Each works without the others, and the pages
// without any of them.
"use strict";

// refresh loads the page again, or the one that data-from names, and replaces what is marked with data-live, unless somebody is using it.
function refresh(main) {
  const seconds = Number(main.dataset.refresh), from = main.dataset.from || location.href;
  async function once() {
    if (document.hidden) return;
    const answer = await fetch(from, { headers: { "X-Refresh": "1" } });
    if (answer.redirected) { location.assign(from); return; } // signed out
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of main.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (next && next.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.innerHTML = next.innerHTML;
    }
  }
  async function loop() {
    const note = document.getElementById("refreshed");
    try {
      await once();
      if (note) note.textContent = `Refreshed every ${seconds} s.`;
    } catch {
      if (note) note.textContent = "This page cannot be refreshed; what you see is old.";
    }
    setTimeout(loop, seconds * 1000);
  }
  setTimeout(loop, seconds * 1000);
}

// copy puts the text of an element on the clipboard.
async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// follow shows what a stream sends, newest first, at most so many.
function follow(list) {
  const most = Number(list.dataset.most || 100);
  const state = document.getElementById(list.dataset.state);
  let source = null;
  const button = document.getElementById(list.dataset.button);
  const say = (text) => { if (state) state.textContent = text; };
  function stopped() {
    source.close();
    source = null;
    if (button) button.textContent = "Start";
  }
  function start() {
    source = new EventSource(list.dataset.stream);
    source.addEventListener("open", () => say("Waiting for events."));
    source.addEventListener("part", (event) => {
      list.insertAdjacentHTML("afterbegin", event.data); // HTML that the bridge has made, every value escaped
      list.firstElementChild.classList.add("new");
      while (list.childElementCount > most) list.lastElementChild.remove();
      say("Receiving events.");
    });
    source.addEventListener("problem", (event) => { say(event.data); stopped(); });
    source.addEventListener("error", () => {
      const over = source.readyState === EventSource.CLOSED;
      say(over ? "Stopped: too many pages are open, or your session has ended." : "The connection is lost; trying again.");
      if (over) stopped();
    });
  }
  if (!button) { start(); return; }
  button.addEventListener("click", () => {
    if (source) { stopped(); say("Stopped."); return; }
    start();
    button.textContent = "Stop";
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
for (const main of document.querySelectorAll("[data-refresh]")) refresh(main);
for (const list of document.querySelectorAll("[data-stream]")) follow(list);
// The menu is open where it is at the side.
const wide = matchMedia("(min-width: 60rem)");
const menu = document.querySelector(".menu");
if (menu) { menu.open = wide.matches; wide.addEventListener("change", () => { menu.open = wide.matches; }); }
