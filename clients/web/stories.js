// Stories: the tray, whole by snapshot or `story.tray` and live from then on, and one story over the whole page.

import { newCid } from "./api.js";
import { avatar, dialog, h, icon, toast } from "./dom.js";
import { picture } from "./post.js";
import { ago, inWords } from "./words.js";

const EMOJI = ["❤️", "😂", "😮", "👏", "🔥"];

/** Whose stories there are: author → {username, stories: [{id, expires_at, close_friends, seen}]}. */
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

/** The row of rings above the feed. */
export function storyTray(app) {
  const row = h("ul", { class: "tray", "aria-label": "Stories" });
  const show = () => {
    row.replaceChildren(
      h("li", {}, h("button", { class: "quiet ring add", onclick: () => app.compose("story") }, h("span", { class: "avatar" }, icon("plus")), h("span", {}, "Your story"))),
      ...app.tray.list.map((entry) => h("li", {}, h("button", {
        class: `quiet ring ${unseen(entry) ? "unseen-story" : ""}`, "data-author": entry.author,
        "aria-label": `Stories of ${entry.username}${unseen(entry) ? ", new" : ", seen"}`, onclick: () => openStories(app, entry),
      }, avatar(entry.author, entry.username), h("span", {}, entry.author === app.me() ? "You" : entry.username)))));
  };
  const off = app.on("tray.changed", show);
  show();
  return { element: row, end: off };
}

async function openStories(app, entry) {
  let stories;
  try { stories = (await app.api.call("GET", `/v1/users/${entry.author}/stories`)).items.filter((story) => story.media); } catch (fault) { return toast(inWords(fault)); }
  if (!stories.length) return toast("These stories are over.");
  let place = Math.max(0, stories.findIndex((story) => !story.seen));
  const stage = h("div", { class: "stage" });
  const step = (by) => { place += by; if (stories[place]) show(); else element.close(); };
  const show = () => {
    const story = stories[place];
    stage.replaceChildren(
      h("p", { class: "bars", "aria-label": `Story ${place + 1} of ${stories.length}` }, stories.map((_, at) => h("span", { class: at <= place ? "done" : "" }))),
      h("header", { class: "byline" }, avatar(entry.author, entry.username), h("strong", {}, entry.username),
        h("span", { class: "faint" }, ago(story.posted_at), story.close_friends ? " · close friends" : "")),
      picture(story.media, `Story by ${entry.username}`, "min(100vw, 30rem)"),
      h("div", { class: "story-steps" },
        h("button", { class: "quiet", "aria-label": "Previous story", onclick: () => step(-1), disabled: place === 0 }, "‹"),
        h("button", { class: "quiet", "aria-label": "Next story", onclick: () => step(1) }, "›")),
      entry.author === app.me() ? "" : h("div", { class: "reactions", role: "group", "aria-label": "React" }, EMOJI.map((emoji) => reaction(app, story, emoji))));
    app.request("story.seen", { story: story.id }).catch(() => undefined);
  };
  const element = dialog(`Stories of ${entry.username}`, "story", stage);
  element.addEventListener("keydown", ({ key }) => { if (key === "ArrowRight") step(1); else if (key === "ArrowLeft" && place > 0) step(-1); });
  return show();
}

function reaction(app, story, emoji) {
  const cid = newCid();
  const button = h("button", { class: "quiet emoji", "aria-label": `React with ${emoji}`, "aria-pressed": String(story.reaction === emoji) }, emoji);
  button.addEventListener("click", async () => {
    try {
      await app.request("story.react", { story: story.id, emoji, cid });
      story.reaction = emoji;
      for (const other of button.parentElement?.children ?? []) other.setAttribute("aria-pressed", String(other === button));
    } catch (fault) { toast(inWords(fault)); }
  });
  return button;
}
