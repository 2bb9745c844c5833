// What the page is made of, wired together: one connection, what it keeps, and a view per address.

import { accountView } from "./account.js";
import { Api, newCid } from "./api.js";
import { Chats } from "./chats.js";
import { compose } from "./compose.js";
import { Connection } from "./connection.js";
import { h, icon, toast } from "./dom.js";
import { feedView } from "./feed.js";
import { conversationView, inboxView } from "./inbox.js";
import { Notices } from "./notices.js";
import { notificationsView } from "./notifications.js";
import { People } from "./people.js";
import { namedView, peopleView, postView, profileView } from "./profile.js";
import { Tray } from "./stories.js";
import { closingWords } from "./words.js";

const DEVICE = "tidings.device";
const OF_CONVERSATIONS = new Set(["message", "message.edited", "message.unsent", "reaction", "member", "conversation", "receipt", "read", "settings", "conversation.gone", "typing"]);
const ROUTES = [
  [/^#\/c\/(\d+)$/, conversationView], [/^#\/u\/(\d+)$/, profileView], [/^#\/p\/(\d+)$/, postView], [/^#\/@([\w.]+)$/, namedView],
  [/^#\/inbox$/, inboxView], [/^#\/notifications$/, notificationsView], [/^#\/people$/, peopleView], [/^/, feedView],
];

const bus = new EventTarget();
let connection, leave = () => undefined;

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
  shared: (kind, made, media) => shared(kind, made, media),
  logOut: async () => { connection.end(); await app.api.logOut(); end(""); },
  begin,
};

function begin() {
  app.people = new People(app.api);
  app.chats = new Chats(app.request, (id, c) => connection.stored(id, c), app.me, (id) => app.emit("chats", id));
  app.notices = new Notices(app.request, () => app.emit("notices"));
  app.tray = new Tray(app.people, () => app.emit("tray.changed"));
  if (!sessionStorage.getItem(DEVICE)) sessionStorage.setItem(DEVICE, newCid());
  const url = new URL("/v1/socket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  connection = new Connection({ url: url.href, api: app.api, device: sessionStorage.getItem(DEVICE), tell, show: connected });
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

// A story or post of mine is told of by no event: shown when its picture is ready, which is told.
function shared(kind, made, media) {
  const show = () => (kind === "post" ? published(made.id) : refreshTray());
  if (made.state !== "processing") return show();
  const off = app.on("upload", ({ upload, state }) => {
    if (upload !== media || (state !== "ready" && state !== "rejected")) return;
    off();
    if (state === "ready") show(); else toast("A picture that you shared cannot be shown.");
  });
  return undefined;
}

// Its picture is ready: it is published a moment later.
async function published(id, tries = 10) {
  const post = await app.api.call("GET", `/v1/posts/${id}`).catch(() => undefined);
  if (post && !post.state) app.emit("posted", post);
  else if (post?.state === "processing" && tries > 0) setTimeout(() => published(id, tries - 1), 500);
}

function connected(state) {
  const line = document.getElementById("connection");
  line.hidden = state === "online";
  line.textContent = state === "offline" ? "Not connected. Trying again…" : state === "online" ? "" : closingWords(state);
  document.body.dataset.connection = state === "online" ? "online" : "offline";
  if (state === 4303 || state === 4304) app.api.logOut().finally(() => end(closingWords(state)));
}

function end(words) {
  connection?.end();
  connection = undefined;
  document.getElementById("navigation").hidden = true;
  document.getElementById("connection").hidden = true;
  for (const open of document.querySelectorAll("dialog")) open.close();
  render((root) => accountView(app, root, words));
}

function route() {
  if (!connection) return;
  const [, view, found] = ROUTES.map(([pattern, view]) => [pattern, view, pattern.exec(location.hash)]).find(([, , match]) => match);
  render((root) => view(app, root, ...found.slice(1)));
  marks();
}

function render(view) {
  leave();
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
  const badges = { "#/notifications": app.notices?.badge ?? 0, "#/inbox": app.chats?.unread ?? 0 };
  for (const link of document.querySelectorAll("#navigation [data-to]")) {
    const number = badges[link.dataset.to] ?? 0, badge = link.querySelector(".badge");
    badge.hidden = number === 0;
    badge.textContent = number > 99 ? "99+" : String(number);
    if ((location.hash || "#/") === link.dataset.to) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

for (const changed of ["chats", "notices"]) app.on(changed, marks);
window.addEventListener("hashchange", route);
if (app.me()) begin(); else end("");
