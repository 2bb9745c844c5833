// What the page is made of, wired together: one connection, and what it keeps.

import { Api, newCid } from "./api.js";
import { Chats } from "./chats.js";
import { compose } from "./compose.js";
import { Connection } from "./connection.js";
import { refreshTimes, toast } from "./dom.js";
import { Notices } from "./notices.js";
import { People } from "./people.js";
import { account, forget, marks, navigation, route } from "./shell.js";
import { Tray } from "./tray.js";
import { closingWords } from "./words.js";

// Of this page for as long as it lives: a copy of the tab is another device, and a stream that is not kept needs no name.
const DEVICE = newCid();
const OF_CONVERSATIONS = new Set(["message", "message.edited", "message.unsent", "reaction", "member", "conversation", "receipt", "read", "settings", "conversation.gone", "typing"]);

const TIMES_MS = 30_000, SHOWN_MS = 500, SHOWN_TRIES = 12;
const bus = new EventTarget();
let connection;

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
  logOut: async () => {
    connection.end();
    await app.api.logOut();
    // Whoever comes next begins at the beginning.
    history.replaceState(null, "", "#/");
    end("");
  },
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
  navigation(app);
  route(app);
}

/** Every event of the socket: first what is kept, then whoever shows it. */
function tell(event) {
  if (event.ev === "snapshot") {
    app.chats.snapshot(event);
    if (event.notifications) app.notices.replace(event.notifications);
    if (event.tray) app.tray.replace(event.tray);
  } else if (event.ev === "lost") recover();
  else if (event.ev === "returned") refreshTray();
  // What could not be shown while the server was away.
  else if (event.ev === "welcome" && document.querySelector("#view [data-failed]")) route(app);
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
  if (state === "offline") app.emit("offline");
  if (state === 4303 || state === 4304) { app.api.forget(); end(closingWords(state)); }
}

function end(words) {
  connection?.end();
  document.getElementById("connection").hidden = true;
  account(app, words);
  connection = undefined;
}

app.on("followed", forget);
for (const changed of ["chats", "notices"]) app.on(changed, () => marks(app));
window.addEventListener("hashchange", () => connection && route(app));
setInterval(refreshTimes, TIMES_MS);
if (app.me()) begin(); else end("");
