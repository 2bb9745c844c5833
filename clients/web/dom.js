// Making elements. Text only ever becomes text: nothing here parses HTML.

import { ago, inWords } from "./words.js";

/** An element: `on…` are listeners, `class` and `aria-…` attributes, booleans properties. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Icons as paths, drawn in place so that they take the colour of the text. */
const PATHS = {
  home: "M3 11.5 12 4l9 7.5M5.5 9.8V20h13V9.8M10 20v-5.5h4V20",
  bell: "M6 17V11a6 6 0 0 1 12 0v6l1.5 2h-15zM10 21.5h4",
  chat: "M4 5h16v11.5H10L5.5 20v-3.5H4z",
  plus: "M12 5v14M5 12h14",
  next: "M9 5l7 7-7 7",
  save: "M6.5 4h11v16.5L12 16l-5.5 4.5z",
  bin: "M5 7h14M10 7V4.5h4V7M7 7l.8 13h8.4L17 7M10.2 10.5v6M13.8 10.5v6",
  photos: "M7 7h13.5v13.5H7zM3.5 17V3.5H17",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20.5c.6-4 3.6-6 7.5-6s6.9 2 7.5 6",
  heart: "M12 20.5s-8-4.9-8-10.5a4.5 4.5 0 0 1 8-2.8A4.5 4.5 0 0 1 20 10c0 5.6-8 10.5-8 10.5z",
  comment: "M12 4.5c4.7 0 8.5 3.2 8.5 7.2s-3.8 7.2-8.5 7.2c-.9 0-1.8-.1-2.6-.3L5 20.5l.9-3.6c-1.5-1.3-2.4-3.1-2.4-5.2 0-4 3.8-7.2 8.5-7.2z",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  send: "M4 12 20 4.5 15 20l-3.5-6.5z",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M15.5 15.5 20.5 20.5",
  pencil: "M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5zM13.5 7l3.5 3.5",
  lock: "M6.5 11h11v9h-11zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  out: "M14 4H5v16h9M10 12h10M16.5 8.5 20 12l-3.5 3.5",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A round sign for somebody: their first letter on a colour made of their id. */
export function avatar(user, username) {
  const element = h("span", { class: "avatar", "aria-hidden": "true" }, (username ?? "?").charAt(0).toUpperCase());
  const hue = Number(BigInt(user) % 359n);
  element.style.setProperty("--hue", hue);
  return element;
}

/** When something was, in few words that go on (`refreshTimes`), and exactly for who points at it. */
export function when(at) {
  const date = new Date(at);
  return h("time", { class: "faint", datetime: date.toISOString(), title: date.toLocaleString() }, ago(at));
}

/** Time goes on in what is on screen. */
export function refreshTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = ago(Date.parse(time.dateTime));
}

/** Say in `status` what failed; what only the moment did is shown again when the server is back (main.js). */
export function failed(status, fault) {
  status.textContent = inWords(fault);
  if (fault.passes) status.dataset.failed = "";
}

/** Where a list would be: that there is nothing yet, and what to do. */
export function nothing(sign, ...words) { return h("div", { class: "nothing" }, icon(sign), h("p", {}, ...words)); }

/** Some buttons of which one is pressed: `options` are value → words, `chosen(value)` is told of another one. */
export function choice(label, options, value, chosen) {
  const buttons = Object.entries(options).map(([key, words]) => h("button", { class: "quiet", "aria-pressed": String(key === value), onclick: () => press(key) }, words));
  const press = (key) => {
    if (key === value) return;
    value = key;
    Object.keys(options).forEach((one, at) => buttons[at].setAttribute("aria-pressed", String(one === key)));
    chosen(key);
  };
  return h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** Put the focus where one will write, unless that would open a keyboard on the screen. */
export function attend(field) { if (!matchMedia("(pointer: coarse)").matches) field.focus({ preventScroll: true }); }

/** Make the elements the children of `list`, moving only what is not in its place: what has the focus keeps it. */
export function arrange(list, elements) {
  elements.forEach((element, at) => { if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null); });
  while (list.children.length > elements.length) list.lastChild.remove();
}

/** Who did it, with a link to them. */
export function byline(author, at, ...more) {
  return h("header", { class: "byline" },
    avatar(author.user, author.username),
    h("span", { class: "two" }, h("a", { href: `#/u/${author.user}`, class: "name" }, author.username), more.length > 0 && h("span", { class: "faint", dir: "auto" }, ...more)),
    at !== undefined && when(at));
}

/** Say something for some seconds at the top of the page; screen readers read it. */
export function toast(words) {
  const place = document.getElementById("toasts");
  const line = h("p", { class: "toast" }, words);
  place.append(line);
  // Above a dialog that was opened since.
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover();
  setTimeout(() => line.remove(), 5_000);
}

/** A dialog over the page: Escape, the button, and unless it is `kept` a click beside it close it; the focus returns to where it was. */
export function dialog(label, className, ...children) {
  const close = h("button", { class: "quiet round close", "aria-label": "Close", onclick: () => element.close() }, icon("close"));
  const element = h("dialog", { class: className, "aria-label": label }, close, ...children);
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => { if (event.target === element && !element.classList.contains("kept")) element.close(); });
  document.body.append(element);
  element.showModal();
  return element;
}
