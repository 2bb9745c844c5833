// What the page is made of, wired together: one connection, what it keeps, and a view per address.

import { accountView } from "./account.js";
import { Api, newCid } from "./api.js";
import { Chats } from "./chats.js";
import { compose } from "./compose.js";
import { Connection } from "./connection.js";
import { h, icon, refreshTimes, toast } from "./dom.js";
import { feedView } from "./feed.js";
import { conversationView, inboxView } from "./inbox.js";
import { Notices } from "./notices.js";
import { notificationsView } from "./notifications.js";
import { People } from "./people.js";
import { peopleView } from "./finding.js";
import { postView } from "./post.js";
import { namedView, profileView } from "./profile.js";
import { Tray } from "./tray.js";
import { closingWords } from "./words.js";

// Of this page for as long as it lives: a copy of the tab is another device, and a stream that is not kept needs no name.
const DEVICE = newCid();
const OF_CONVERSATIONS = new Set(["message", "message.edited", "message.unsent", "reaction", "member", "conversation", "receipt", "read", "settings", "conversation.gone", "typing"]);
const ROUTES = [
  [/^#\/c\/(\d+)$/, conversationView, "Conversation"], [/^#\/u\/(\d+)$/, profileView, "Profile"], [/^#\/p\/(\d+)$/, postView, "Post"],
  [/^#\/@([\w.]+)$/, namedView, "Profile"], [/^#\/inbox$/, inboxView, "Messages"], [/^#\/notifications$/, notificationsView, "Notifications"],
  [/^#\/people$/, peopleView, "People"], [/^/, feedView, "Home"],
];

const TIMES_MS = 30_000, SHOWN_MS = 500, SHOWN_TRIES = 12;
const bus = new EventTarget();
let where = "Home", connection, leave = () => undefined;

const app = {
  toast,
  api: new Api((words) => end(words)),
  me: () => app.api.user,
  on(name, heard) {
    const listener = (event) => heard(event.detail);
    bus.addEventListener(name, listener);
    return () => bus.removeEventListener(name, listener);
  },
  emit: (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail })),
  request: (op, fields) => connection.request(op, fields),
  say: (op, fields) => connection.say(op, fields),
  compose: (kind) => compose(app, kind),
  shared, refreshTray,
  logOut: async () => { connection.end(); await app.api.logOut(); end(""); },
  begin,
};

function begin() {
  app.people = new People(app.api);
  app.chats = new Chats(app.request, (id, c) => connection.stored(id, c), app.me, (id) => app.emit("chats", id));
  app.notices = new Notices(app.request, () => app.emit("notices"));
  app.tray = new Tray(app.people, () => app.emit("tray.changed"));
  const url = new URL("/v1/socket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  connection = new Connection({ url: url.href, api: app.api, device: DEVICE, tell, show: connected });
  navigation();
  route();
}

/** Every event of the socket: first what is kept, then whoever shows it. */
function tell(event) {
  if (event.ev === "snapshot") {
    app.chats.snapshot(event);
    if (event.notifications) app.notices.replace(event.notifications);
    if (event.tray) app.tray.replace(event.tray);
  } else if (event.ev === "lost") recover();
  else if (event.ev === "returned") refreshTray();
  else if (OF_CONVERSATIONS.has(event.ev)) app.chats.take(event).catch(() => undefined);
  else if (event.ev.startsWith("notification")) app.notices.take(event);
  else if (event.ev === "tray") app.tray.take(event);
  app.emit(event.ev, event);
}

// What was missed of the stream is not told again either: conversations go on from their heads, notifications begin anew.
function recover() {
  app.chats.sync().then((notifications) => notifications && app.notices.replace(notifications)).catch(() => undefined);
}

// Live events are never told again: after a time without them the whole is asked for.
function refreshTray() { app.request("story.tray").then((tray) => app.tray.replace(tray)).catch(() => undefined); }

// What I shared is told of to others alone: asked for until its pictures are ready, for a minute and a half at most.
async function shared(kind, made) {
  for (let tries = 0; made.state === "processing" && tries < SHOWN_TRIES; tries += 1) {
    await new Promise((done) => setTimeout(done, SHOWN_MS * 1.3 ** tries));
    if (!connection) return;
    made = await app.api.call("GET", `/v1/${kind === "post" ? "posts" : "stories"}/${made.id}`).catch(() => made);
  }
  if (made.state === "rejected") toast("A picture that you shared cannot be shown.");
  else if (kind === "story") refreshTray();
  else if (!made.state) app.emit("posted", made);
}

function connected(state) {
  const line = document.getElementById("connection");
  line.hidden = state === "online";
  line.textContent = state === "offline" ? "Not connected. Trying again…" : state === "online" ? "" : closingWords(state);
  document.body.dataset.connection = state === "online" ? "online" : "offline";
  if (state === 4303 || state === 4304) { app.api.forget(); end(closingWords(state)); }
}

function end(words) {
  connection?.end();
  connection = undefined;
  document.getElementById("navigation").hidden = true;
  document.getElementById("connection").hidden = true;
  document.title = "Tidings";
  render((root) => accountView(app, root, words));
}

function route() {
  if (!connection) return;
  const [pattern, view, title] = ROUTES.find(([one]) => one.test(location.hash));
  where = title;
  render((root) => view(app, root, ...pattern.exec(location.hash).slice(1)));
  marks();
}

function render(view) {
  leave();
  for (const open of document.querySelectorAll("dialog")) open.close();
  const root = document.getElementById("view");
  root.replaceChildren();
  root.focus({ preventScroll: true });
  leave = view(root);
  window.scrollTo({ top: 0 });
}

function navigation() {
  const link = (href, name, label) => h("a", { href, "data-to": href }, icon(name), h("span", {}, label), h("span", { class: "badge", hidden: true }));
  const nav = document.getElementById("navigation");
  nav.replaceChildren(h("a", { class: "brand", href: "#/" }, "Tidings"), link("#/", "home", "Home"), link("#/notifications", "bell", "Notifications"),
    h("button", { class: "quiet", onclick: () => app.compose("post") }, icon("plus"), h("span", {}, "New post")),
    link("#/inbox", "chat", "Messages"), link("#/people", "search", "People"), link(`#/u/${app.me()}`, "person", "You"));
  nav.hidden = false;
  marks();
}

function marks() {
  const news = (app.notices?.badge ?? 0) + (app.chats?.unread ?? 0);
  document.title = `${news ? `(${news}) ` : ""}${where} · Tidings`;
  const badges = { "#/notifications": app.notices?.badge ?? 0, "#/inbox": app.chats?.unread ?? 0 };
  for (const link of document.querySelectorAll("#navigation [data-to]")) {
    const number = badges[link.dataset.to] ?? 0, badge = link.querySelector(".badge");
    badge.hidden = number === 0;
    badge.textContent = number > 99 ? "99+" : String(number);
    badge.setAttribute("aria-label", `${number} new`);
    if ((location.hash || "#/") === link.dataset.to) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

for (const changed of ["chats", "notices"]) app.on(changed, marks);
window.addEventListener("hashchange", route);
setInterval(refreshTimes, TIMES_MS);
if (app.me()) begin(); else end("");
