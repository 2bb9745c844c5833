// The inbox and one conversation: live messages, typing, how far it was read.

import { newCid } from "./api.js";
import { arrange, attend, avatar, failed, h, icon, nothing, toast, when } from "./dom.js";
import { presenceOf } from "./presence.js";
import { quote } from "./quotes.js";
import { inWords } from "./words.js";

const TYPING_MS = 3_000;

/** The other one of a conversation of two. */
export function other(app, chat) { return chat.members.find((member) => member.user !== app.me())?.user; }

/** Put its name into an element. */
export function title(app, chat, element) {
  const user = other(app, chat);
  if (chat.title || !user) element.textContent = chat.title ?? "Only me"; else app.people.name(element, user);
  return element;
}

function said(event) {
  if (!event) return "";
  if (event.ev !== "message") return "";
  if (!event.share) return event.text ?? "…";
  const what = event.share.reaction ? "Reacted to a story" : event.share.kind === "story" && event.text ? "About a story" : `Shared a ${event.share.kind}`;
  return event.text ? `${what}: ${event.text}` : what;
}

// The same, with a picture of what was shared and the way to it.
function shared(app, event) {
  const place = { post: "#/p/", profile: "#/u/" }[event.share?.kind];
  const words = [event.share && quote(app, event.share), said(event)].filter(Boolean);
  return place ? [h("a", { href: place + event.share.id }, words)] : words;
}

export function inboxView(app, root) {
  const inbox = h("ul", { class: "list" }), requests = h("ul", { class: "list" }), heading = h("h2", { hidden: true }, "Requests");
  const status = h("p", { class: "faint", role: "status" });
  root.append(h("h1", {}, "Messages"), status, inbox, heading, requests);
  const rows = new Map();
  const row = (chat) => {
    if (!rows.has(chat.id)) {
      const parts = { name: h("span", { class: "name" }), text: h("span", { class: "said", dir: "auto" }), at: h("span"), badge: h("span", { class: "badge" }) };
      const link = h("a", { href: `#/c/${chat.id}`, class: "row" }, avatar(other(app, chat) ?? app.me(), "·"), h("span", { class: "two" }, parts.name, parts.text), parts.at, parts.badge);
      app.people.who(other(app, chat) ?? app.me()).then(({ username }) => { link.firstChild.textContent = username.charAt(0).toUpperCase(); });
      title(app, chat, parts.name);
      rows.set(chat.id, { element: h("li", {}, link), ...parts });
    }
    const { element, text, at, badge } = rows.get(chat.id);
    const unsent = chat.sending.findLast(({ refused }) => refused);
    text.textContent = chat.typing.size ? "typing…" : unsent ? `Not sent: ${said({ ev: "message", ...unsent })}` : said(chat.last);
    text.classList.toggle("typing", chat.typing.size > 0);
    at.replaceChildren(...(chat.last ? [when(chat.last.at)] : []));
    badge.textContent = chat.unread ? String(chat.unread) : "";
    badge.setAttribute("aria-label", `${chat.unread} unread`);
    badge.hidden = !chat.unread;
    return element;
  };
  const show = () => {
    const focused = document.activeElement;
    arrange(inbox, app.chats.list("inbox").map(row));
    arrange(requests, app.chats.list("requests").map(row));
    heading.hidden = !requests.children.length;
    status.replaceChildren(...(inbox.children.length || requests.children.length ? [] : [nothing("chat", "No messages yet. ", h("a", { href: "#/people" }, "Find somebody"), " and write to them.")]));
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  };
  const off = app.on("chats", show);
  show();
  app.chats.more("requests").catch((fault) => toast(inWords(fault)));
  return off;
}

export function conversationView(app, root, id) {
  const log = h("ol", { class: "log", role: "log", "aria-label": "Messages" }), status = h("p", { class: "faint typing-line", role: "status" });
  const fault = h("p", { class: "alert", role: "alert", id: "message-fault" });
  const text = h("input", { name: "text", maxlength: 4000, autocomplete: "off", required: true, dir: "auto", "aria-label": "Message", "aria-describedby": "message-fault", placeholder: "Message" });
  const form = h("form", { class: "line" }, text, h("button", { class: "round", "aria-label": "Send" }, icon("send")));
  const heading = h("h1", {}), who = h("div", { class: "two" }, heading), request = h("div", { class: "request", hidden: true });
  const earlier = h("button", { class: "quiet", hidden: true, onclick: () => older() }, "Earlier messages");
  root.classList.add("chatting");
  root.append(h("header", { class: "chat-head" }, h("a", { href: "#/inbox", class: "round quiet", "aria-label": "Back to messages" }, icon("back")), who), request,
    h("div", { class: "scroll" }, earlier, log), status, fault, form);
  const scroll = log.parentElement;
  let chat = app.chats.get(id), typed = 0, presence, left = false;

  const show = () => {
    chat = app.chats.get(id);
    if (!chat) return;
    const low = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    arrange(log, [...chat.log.events.filter((event) => event.ev === "message").map(line), ...chat.sending.map(pending)]);
    marks();
    status.textContent = chat.typing.size ? "typing…" : "";
    request.hidden = chat.folder !== "requests";
    if (low) scroll.scrollTop = scroll.scrollHeight;
    if (!document.hidden) app.chats.read(chat);
  };
  // A line that is there stays: who reads it aloud, or has marked some of it, is not disturbed.
  const lines = new Map();
  const kept = (key, make) => { if (!lines.has(key)) lines.set(key, make()); return lines.get(key); };
  const line = (event) => kept(event.c, () => h("li", { class: event.from === app.me() ? "mine" : "theirs", "data-c": event.c },
    h("p", { dir: "auto" }, event.erased ? "(taken back)" : shared(app, event)), h("span", { class: "faint" }, when(event.at), h("span", { class: "state" }))));
  const pending = (send) => (send.refused ? kept(send.refused, () => unsent(send)) : kept(send.cid, () => h("li", { class: "mine pending" }, h("p", { dir: "auto" }, said({ ev: "message", ...send })), h("span", { class: "faint" }, "sending…"))));
  // What was refused is still here, whatever was written since: sent again it is the same one, and stored once.
  const unsent = (send) => {
    const leave = (then) => () => { then(); attend(text); };
    return h("li", { class: "mine unsent" }, h("p", { dir: "auto" }, said({ ev: "message", ...send })), h("span", { class: "alert" }, `Not sent. ${inWords(send.refused)}`),
      h("span", { class: "deeds" }, h("button", { class: "quiet", onclick: leave(() => app.chats.write(chat, send)) }, "Try again"),
        h("button", { class: "quiet", onclick: leave(() => app.chats.discard(chat, send)) }, "Discard")));
  };
  const marks = () => {
    const mine = [...log.querySelectorAll(".mine[data-c]")], last = mine.at(-1), them = chat.members.find((member) => member.user === other(app, chat));
    for (const one of mine) if (one !== last || !them) one.querySelector(".state").textContent = "";
    if (!last || !them) return;
    const c = Number(last.dataset.c);
    const state = (them.read_c ?? 0) >= c ? "seen" : (them.delivered_c ?? 0) >= c ? "delivered" : "sent";
    last.querySelector(".state").textContent = ` · ${state}`;
  };
  // What one looks at stays where it is.
  const older = async () => {
    const below = scroll.scrollHeight - scroll.scrollTop;
    try {
      earlier.hidden = !(await app.chats.older(chat));
      scroll.scrollTop = scroll.scrollHeight - below;
    } catch (refused) { fault.textContent = inWords(refused); }
  };
  const decide = (op) => async () => {
    for (const button of request.querySelectorAll("button")) button.disabled = true;
    try {
      await app.request(op, { conversation: id });
      await app.chats.fetch(id);
      if (left) return;
      if (op === "conversation.decline") location.hash = "#/inbox"; else attend(text);
    } catch (refused) { toast(inWords(refused)); }
    for (const button of request.querySelectorAll("button")) button.disabled = false;
  };
  request.append(h("p", {}, "Somebody whom you do not follow wants to write to you."),
    h("button", { onclick: decide("conversation.accept") }, "Accept"), h("button", { class: "quiet", onclick: decide("conversation.decline") }, "Decline"));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const said = text.value.trim();
    if (!said || !chat) return;
    form.reset();
    app.chats.drafts.delete(id);
    typed = 0;
    fault.textContent = "";
    scroll.scrollTop = scroll.scrollHeight;
    const send = { cid: newCid(), text: said };
    app.chats.write(chat, send).then(() => { if (left && send.refused) toast(`Not sent. ${inWords(send.refused)}`); });
  });
  text.value = app.chats.drafts.get(id) ?? "";
  text.addEventListener("input", () => {
    app.chats.drafts.set(id, text.value);
    if (Date.now() - typed < TYPING_MS) return;
    typed = Date.now();
    app.say("typing", { conversation: id, kind: "text" });
  });
  const seen = () => show();
  document.addEventListener("visibilitychange", seen);
  const off = app.on("chats", (changed) => (changed === undefined || changed === id) && show());
  const begin = async () => {
    chat ??= await app.chats.fetch(id);
    if (left) return;
    title(app, chat, heading);
    if (other(app, chat)) {
      presence = presenceOf(app, other(app, chat), id);
      who.append(presence.element);
    }
    if (chat.log.events.length < 20) await older(); else earlier.hidden = chat.log.events[0].c <= 1;
    show();
    scroll.scrollTop = scroll.scrollHeight;
    attend(text);
  };
  begin().catch((refused) => { failed(status, refused); form.hidden = !chat; });
  return () => { left = true; presence?.end(); off(); document.removeEventListener("visibilitychange", seen); root.classList.remove("chatting"); };
}
