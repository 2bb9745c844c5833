// Whose stories there are: whole by snapshot or `story.tray`, live from then on; and the row of rings above the feed.

import { arrange, avatar, h, icon } from "./dom.js";
import { openStories } from "./stories.js";

/** author → {username, stories: [{id, expires_at, close_friends, seen}]}. */
export class Tray {
  authors = new Map();

  constructor(people, changed) { Object.assign(this, { people, changed }); }

  replace({ items }) {
    this.authors = new Map(items.map((entry) => [entry.author, { ...entry, stories: [...entry.stories] }]));
    for (const { author, username, name } of items) this.people.learn({ user: author, username, name });
    this.changed();
  }

  async take({ change, author, stories }) {
    const entry = this.authors.get(author) ?? { author, stories: [] };
    const named = new Set(stories.map((story) => story.id));
    if (change === "seen") for (const story of entry.stories) story.seen ||= named.has(story.id);
    else entry.stories = entry.stories.filter((story) => stories.length > 0 && !named.has(story.id));
    if (change === "add") entry.stories.push(...stories.map((story) => ({ ...story, seen: false })));
    entry.username ??= (await this.people.who(author)).username;
    if (entry.stories.length) this.authors.set(author, entry); else this.authors.delete(author);
    this.changed();
  }

  /** Those that are not over, with something unseen first. */
  get list() {
    const now = Date.now();
    const live = [...this.authors.values()].filter((entry) => entry.stories.some((story) => story.expires_at > now));
    return live.sort((a, b) => Number(unseen(b)) - Number(unseen(a)));
  }
}

function unseen(entry) { return entry.stories.some((story) => !story.seen); }

export function storyTray(app) {
  const row = h("ul", { class: "tray", "aria-label": "Stories" }), rings = new Map();
  const mine = h("li", {}, h("button", { class: "quiet ring add", onclick: () => app.compose("story") }, h("span", { class: "avatar" }, icon("plus")), h("span", {}, "Your story")));
  const ring = (entry) => {
    const { author, username } = entry;
    // The ring that one came from is still there when one comes back.
    if (!rings.has(author))
      rings.set(author, h("li", {}, h("button", { class: "quiet ring", "data-author": author, onclick: () => openStories(app, author) },
        avatar(author, username), h("span", {}, author === app.me() ? "You" : username))));
    const button = rings.get(author).firstChild;
    button.classList.toggle("unseen-story", unseen(entry));
    button.setAttribute("aria-label", `Stories of ${username}${unseen(entry) ? ", new" : ", seen"}`);
    return rings.get(author);
  };
  const show = () => arrange(row, [mine, ...app.tray.list.map(ring)]);
  const off = app.on("tray.changed", show);
  show();
  return { element: row, end: off };
}
