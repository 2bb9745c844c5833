// Stories over the whole page: tap at the right or left, or use the arrows, to go on, from one person to the next too.
// They do not go on by themselves: nobody is hurried (WCAG 2.2.1).

import { newCid } from "./api.js";
import { avatar, dialog, h, icon, toast, when } from "./dom.js";
import { picture } from "./pictures.js";
import { count, inWords } from "./words.js";

const EMOJI = ["❤️", "😂", "😮", "👏", "🔥"];

/** Show those of this author, then those of the others as the tray stands now. */
export async function openStories(app, first) {
  const line = app.tray.list;
  let entry = line.find(({ author }) => author === first), stories = entry ? await of(app, entry) : [], place;
  if (!stories.length) return toast("These stories are over.");
  const bars = h("p", { class: "bars", role: "img" }), head = h("header", { class: "byline" }), view = h("div", { class: "view" }), foot = h("div", { class: "reactions" });
  const open = () => { place = Math.max(0, stories.findIndex((story) => !story.seen)); show(); };
  // Those that have ended or were deleted while this is open are passed over.
  const there = (story) => !story.gone && !(story.expires_at <= Date.now());
  const back = () => { const at = stories.slice(0, place).findLastIndex(there); if (at >= 0) { place = at; show(); } };
  const next = async () => {
    const at = stories.findIndex((story, one) => one > place && there(story));
    if (at >= 0) { place = at; return show(); }
    do {
      entry = line[line.indexOf(entry) + 1];
      stories = entry ? await of(app, entry) : [];
    } while (entry && !stories.length);
    return entry && element.isConnected ? open() : element.close();
  };
  // Not disabled at the first one: that would take the focus from who steps.
  const before = h("button", { class: "tap back", "aria-label": "Previous story", onclick: back }, icon("back"));
  const show = () => {
    const story = stories[place], mine = entry.author === app.me();
    element.setAttribute("aria-label", `Stories of ${entry.username}`);
    bars.setAttribute("aria-label", `Story ${place + 1} of ${stories.length}`);
    bars.replaceChildren(...stories.map((_, at) => h("span", { class: at <= place ? "done" : "" })));
    head.replaceChildren(avatar(entry.author, entry.username), h("strong", {}, entry.username), when(story.posted_at), story.close_friends ? h("span", { class: "friends" }, "Close friends") : "");
    view.replaceChildren(picture(story.media, `Story by ${entry.username}`, "min(100vw, 30rem)"));
    before.classList.toggle("over", place === 0);
    foot.replaceChildren(...(mine ? own(app, story, () => element.close()) : [reply(app, entry, story), ...EMOJI.map((emoji) => reaction(app, story, emoji))]));
    if (!story.seen) app.request("story.seen", { story: story.id }).then(() => { story.seen = true; }, () => undefined);
  };
  const element = dialog("Stories", "story", h("div", { class: "stage" }, bars, head,
    h("div", { class: "sight" }, view, before, h("button", { class: "tap next", "aria-label": "Next story", onclick: next }, icon("next"))), foot));
  element.addEventListener("close", app.on("tray", ({ change, author, stories: gone }) => {
    if (change === "remove" && author === entry?.author) for (const story of stories) story.gone ||= !gone.length || gone.some(({ id }) => id === story.id);
  }));
  element.addEventListener("keydown", ({ key, target }) => {
    if (target.name === "reply") return;
    if (key === "ArrowRight") next();
    if (key === "ArrowLeft") back();
  });
  return open();
}

async function of(app, { author }) {
  try { return (await app.api.call("GET", `/v1/users/${author}/stories`)).items.filter((story) => story.media); } catch (fault) { toast(inWords(fault)); return []; }
}

// Of mine: who has seen it, and the end of it.
function own(app, story, close) {
  const seen = h("p", { class: "faint", role: "status" });
  app.api.call("GET", `/v1/stories/${story.id}/viewers?limit=5`).then(({ count: number, items }) => {
    seen.textContent = number ? `Seen by ${items.map(({ username, reaction: emoji }) => username + (emoji ? ` ${emoji}` : "")).join(", ")}${number > items.length ? ` and ${count(number - items.length, "other")}` : ""}` : "Nobody has seen it yet.";
  }, (fault) => { seen.textContent = inWords(fault); });
  const remove = async () => {
    try { await app.api.call("DELETE", `/v1/stories/${story.id}`); close(); toast("Your story is deleted."); app.refreshTray(); } catch (fault) { toast(inWords(fault)); }
  };
  return [seen, h("button", { class: "quiet", onclick: remove }, icon("bin"), "Delete")];
}

// Of another's: words about it, which are a message to them.
function reply(app, { author, username }, story) {
  const text = h("input", { name: "reply", maxlength: 4000, required: true, autocomplete: "off", dir: "auto", "aria-label": `Reply to ${username}`, placeholder: "Reply…" });
  const form = h("form", { class: "line" }, text, h("button", { class: "round", "aria-label": "Send reply" }, icon("send")));
  const { drafts } = app.chats;
  let cid = newCid();
  text.value = drafts.get(story.id) ?? "";
  text.addEventListener("input", () => drafts.set(story.id, text.value));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = text.value.trim();
    if (!said || text.readOnly) return;
    // Until it is stored it stands where it was written, and is there again for who comes back to this story.
    text.readOnly = true;
    try {
      await app.chats.send(await app.chats.open(author), said, { kind: "story", id: story.id }, cid);
      cid = newCid();
      form.reset();
      drafts.delete(story.id);
      toast("Sent.");
    } catch (fault) { toast(inWords(fault)); cid = fault.code === "id_reused" ? newCid() : cid; }
    text.readOnly = false;
  });
  return form;
}

function reaction(app, story, emoji) {
  let cid = newCid();
  const button = h("button", { class: "quiet emoji", "aria-label": `React with ${emoji}`, "aria-pressed": String(story.reaction === emoji) }, emoji);
  button.addEventListener("click", async () => {
    if (story.reaction === emoji) return;
    try {
      await app.request("story.react", { story: story.id, emoji, cid });
      story.reaction = emoji;
      cid = newCid();
      for (const other of button.parentElement?.querySelectorAll(".emoji") ?? []) other.setAttribute("aria-pressed", String(other === button));
    } catch (fault) { toast(inWords(fault)); }
  });
  return button;
}
