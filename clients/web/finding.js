// Finding people: by their name, and those who are near.

import { attend, avatar, failed, h } from "./dom.js";
import { followButton } from "./profile.js";
import { inWords } from "./words.js";

export function peopleView(app, root) {
  const fault = h("p", { class: "alert", role: "alert", id: "find-fault" });
  const name = h("input", { name: "username", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-label": "Username", "aria-describedby": "find-fault", placeholder: "A username, such as alice" });
  const form = h("form", { class: "line" }, name, h("button", {}, "Find"));
  root.append(h("h1", {}, "Find people"), form, fault, suggested(app));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fault.textContent = "";
    try { location.hash = `#/u/${(await app.people.called(name.value.trim().replace(/^@/, ""))).id}`; } catch (refused) { fault.textContent = inWords(refused); }
  });
  attend(name);
  return () => undefined;
}

/** Whom one may want to follow, each with a button for it, and why they are here. */
export function suggested(app) {
  const list = h("ul", { class: "list" }), status = h("p", { class: "faint", role: "status" });
  const row = ({ user, username, common }) => h("li", { class: "row" }, avatar(user, username),
    h("span", { class: "two" }, h("a", { class: "name", href: `#/u/${user}` }, username), common ? h("span", { class: "faint" }, `${common} in common`) : ""), followButton(app, user, undefined, username));
  const show = async () => {
    let { items } = await app.people.suggestions(), words = items[0]?.common ? "People whom those you follow follow:" : "People to begin with:";
    if (!items.length) {
      ({ items } = await app.people.followers());
      words = items.length ? "People who follow you. Follow some, and people whom they follow are suggested here."
        : "Nobody to suggest yet. Ask your friends for their usernames and find them by these; once you follow somebody, people whom they follow are suggested here.";
    }
    status.textContent = words;
    list.replaceChildren(...items.map(row));
  };
  show().catch((fault) => failed(status, fault));
  return h("div", { class: "suggested" }, status, list);
}
