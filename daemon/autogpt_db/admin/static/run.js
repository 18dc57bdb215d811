// A run that has not ended is looked at again every second, until it has.
"use strict";
const link = document.getElementById("link");
let failures = 0;

async function look() {
  const shown = document.getElementById("run");
  if (!shown.hasAttribute("data-live")) { link.className = "link"; link.textContent = "has ended"; return; }
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") { location.href = "/login"; return; }
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("run");
    const opened = [...shown.querySelectorAll("details")].map((each) => each.open);
    [...next.querySelectorAll("details")].forEach((each, at) => { each.open = Boolean(opened[at]); });
    const busy = shown.contains(document.activeElement) && document.activeElement.tagName === "A";
    if (!busy || !next.hasAttribute("data-live")) shown.replaceWith(document.adoptNode(next));
    document.title = page.title;
    failures = 0;
    link.className = "link up";
    link.textContent = "live";
  } catch {
    failures++;
    link.className = "link down";
    link.textContent = "not connected";
  }
  setTimeout(look, 1000 * Math.min(2 ** failures, 16));
}
look();
