// What every page has: saying what happened, acting, logging out. Text only ever becomes text.
"use strict";
const csrf = document.querySelector('meta[name="csrf"]').content;
const said = document.getElementById("said");

function say(text, wrong) {
  said.textContent = plain(text);
  said.classList.toggle("wrong", Boolean(wrong));
}

// What would turn the direction of writing, or is not to be seen, is written out.
const plain = (text) => String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
  (one) => "\\u" + one.charCodeAt(0).toString(16).padStart(4, "0"));

// An element with attributes and children; a child that is no element is text.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null).map((child) => child instanceof Node ? child : plain(child)));
  return element;
}

async function act(path, button) {
  // Not `disabled`: that would take the focus away from who works by keyboard.
  if (button?.getAttribute("aria-disabled")) return false;
  button?.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(path, { method: "POST", headers: { "X-CSRF-Token": csrf } });
    if (answer.status === 401) { location.href = "/login"; return false; }
    const body = answer.status === 204 ? {} : await answer.json();
    say(body.message || body.detail || body.title || "Done.", !answer.ok);
    return answer.ok;
  } catch {
    say("The admin listener does not answer. Try again.", true);
    return false;
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  if (await act("/logout")) location.href = "/login";
});

function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 0.001) return (seconds * 1e6).toFixed(0) + " µs";
  if (seconds < 1) return (seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0) + " ms";
  if (seconds < 60) return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + Math.floor(seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}
