// The page follows what happens: it is read again when something did, but never under a form that is being filled in.
"use strict";
const main = document.querySelector("main");
const events = new EventSource("/approvals/events");
let changed = false;
// Nor under one that asks a passkey.
const busy = () => main.dataset.asking || main.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
async function refresh() {
  changed = true;
  if (busy()) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return location.reload();
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  changed = false;
  main.replaceChildren(...next.childNodes);
  const count = main.querySelector("[data-waiting]");
  if (count) document.title = `(${count.dataset.waiting}) Approvals - weir`;
}
events.addEventListener("approval", (event) => {
  const id = main.dataset.approval;
  if (!id || JSON.parse(event.data).id === id) refresh();
});
main.addEventListener("focusout", () => setTimeout(() => { if (changed) refresh(); }, 100));
