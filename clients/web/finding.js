// Finding people: by their name, and those who are near.

import { attend, avatar, h } from "./dom.js";
import { followButton } from "./profile.js";
import { inWords } from "./words.js";

export function peopleView(app, root) {
  const list = h("ul", { class: "list" }), status = h("p", { class: "faint", role: "status" });
  const name = h("input", { name: "username", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-label": "Username", placeholder: "A username, such as alice" });
  const form = h("form", { class: "line" }, name, h("button", {}, "Find"));
  root.append(h("h1", {}, "Find people"), form, status, list);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { location.hash = `#/u/${(await app.people.called(name.value.trim().replace(/^@/, ""))).id}`; } catch (fault) { status.textContent = inWords(fault); }
  });
  const row = (person, words) => h("li", { class: "row" }, avatar(person.user, person.username),
    h("span", { class: "two" }, h("a", { class: "name", href: `#/u/${person.user}` }, person.username), words && h("span", { class: "faint" }, words)), followButton(app, person.user));
  const suggest = async () => {
    const { items } = await app.people.suggestions();
    if (items.length) {
      status.textContent = "People whom those you follow follow:";
      return list.replaceChildren(...items.map((person) => row(person, `${person.common} in common`)));
    }
    const followers = (await app.people.followers()).items;
    status.textContent = followers.length
      ? "People who follow you. Follow some, and people whom they follow are suggested here."
      : "Nobody to suggest yet. Ask your friends for their usernames and enter one above; once you follow somebody, people whom they follow are suggested here.";
    return list.replaceChildren(...followers.map((person) => row(person)));
  };
  suggest().catch((fault) => { status.textContent = inWords(fault); });
  attend(name);
  return () => undefined;
}
