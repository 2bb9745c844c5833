// The feed: pages of posts, a button when there are new ones, live totals of those on screen.

import { choice, h, nothing } from "./dom.js";
import { suggested } from "./finding.js";
import { postCard } from "./post.js";
import { storyTray } from "./tray.js";
import { inWords } from "./words.js";

const PAGE = 10, WATCHED = 50, WATCH_MS = 300, MODE = "tidings.feed";
const MODES = { latest: "Latest", ranked: "For you" };

export function feedView(app, root) {
  const list = h("div", { class: "posts" }), end = h("div", { class: "end" }), status = h("p", { class: "faint", role: "status" });
  const fresh = h("button", { class: "fresh", hidden: true, onclick: () => reload(true) }), near = h("div");
  const tray = storyTray(app);
  let mode = sessionStorage.getItem(MODE) in MODES ? sessionStorage.getItem(MODE) : "latest";
  const modes = choice("Order of the feed", MODES, mode, (other) => { sessionStorage.setItem(MODE, (mode = other)); reload(true); });
  root.append(h("h1", { class: "unseen" }, "Feed"), tray.element, modes, h("div", { class: "news", role: "status" }, fresh), list, status, near, end);
  const cards = new Map(), waiting = new Set(), screen = watching(app);
  let next, loading = false, over = false, life = 0;

  const page = async () => {
    if (loading || over) return;
    loading = true;
    const mine = life;
    try {
      const fields = { mode, limit: PAGE };
      if (next) fields.before = next;
      const answer = await app.request("feed.page", fields);
      if (mine !== life) return;
      for (const post of answer.items) put(post);
      next = answer.next;
      over = !next;
      status.replaceChildren(...(cards.size || !over ? [over ? "That is all there is." : ""] : empty()));
      // Who sees so little is shown whom else they could follow.
      if (over && cards.size < PAGE && !near.children.length) near.append(suggested(app));
    } catch (fault) {
      if (mine !== life) return;
      status.replaceChildren(inWords(fault), " ", h("button", { class: "quiet", onclick: () => { over = false; page(); } }, "Try again"));
      over = true;
    } finally { if (mine === life) loading = false; }
    look();
  };
  const put = (post, first = false) => {
    if (cards.has(post.id)) return;
    status.textContent = "";
    app.people.learn(post.author);
    const card = postCard(app, post);
    cards.set(post.id, card);
    screen.observe(card);
    if (first) list.prepend(card); else list.append(card);
    if (first && list.isConnected) window.scrollTo({ top: 0 });
  };
  const reload = async (up) => {
    life += 1;
    for (const card of cards.values()) screen.unobserve(card);
    cards.clear();
    waiting.clear();
    list.replaceChildren();
    fresh.hidden = true;
    next = undefined;
    loading = over = false;
    if (up) window.scrollTo({ top: 0 });
    await page();
  };
  const announce = ({ post }) => {
    if (cards.has(post)) return;
    waiting.add(post);
    told();
    if (!cards.size) reload(false);
  };
  const told = () => {
    fresh.textContent = waiting.size === 1 ? "1 new post" : `${waiting.size} new posts`;
    fresh.hidden = !waiting.size;
  };
  const missed = async () => {
    const answer = await app.request("feed.page", { mode: "latest", limit: PAGE }).catch(() => undefined);
    for (const { id } of answer?.items ?? []) announce({ post: id });
  };
  const removed = ({ post }) => { cards.get(post)?.remove(); cards.delete(post); waiting.delete(post); told(); };
  const offs = [
    app.on("feed.new", announce), app.on("posted", (post) => put(post, true)), app.on("returned", missed),
    app.on("followed", () => (cards.size ? missed() : reload(false))),
    app.on("post.count", ({ post, likes, comments }) => cards.get(post)?.count({ likes, comments })), app.on("post.removed", removed),
  ];
  const sentinel = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && page(), { rootMargin: "600px" });
  // It tells of changes alone: a page may have so few posts that the end stays where it is seen.
  const look = () => { sentinel.unobserve(end); if (!over) sentinel.observe(end); };
  page();
  return () => { life += 1; sentinel.disconnect(); screen.end(); tray.end(); for (const off of offs) off(); };
}

function empty() {
  return [nothing("photos", h("strong", {}, "Your feed is empty."), " Follow somebody and their posts appear here: begin below, ",
    h("a", { href: "#/people" }, "find people"), " by their names, or share a photo of your own.")];
}

/** Tells the server which posts are on screen, so that it tells their totals. */
function watching(app) {
  const shown = new Set();
  let timer;
  const tell = () => { timer ??= setTimeout(() => { timer = undefined; app.request("post.watch", { posts: [...shown].slice(-WATCHED) }).then(counted, () => undefined); }, WATCH_MS); };
  const counted = (answer) => { for (const one of answer?.posts ?? []) app.emit("post.count", one); };
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) shown[isIntersecting ? "add" : "delete"](target.dataset.post);
    tell();
  });
  const off = app.on("welcome", tell);
  return {
    observe: (card) => observer.observe(card),
    unobserve: (card) => { observer.unobserve(card); shown.delete(card.dataset.post); },
    end: () => { observer.disconnect(); off(); clearTimeout(timer); shown.clear(); app.request("post.watch", { posts: [] }).catch(() => undefined); },
  };
}
