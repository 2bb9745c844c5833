// Conversations as far as they are here: the newest by the snapshot, live by events, whole again by sync (§3, §4).

import { newCid } from "./api.js";
import { Log } from "./rules.js";

const PAGE = 50;

export class Chats {
  #all = new Map(); #now = 0; #sending = new Map(); #fetching = new Map();
  /** What is written and not sent, by the conversation, the story or the post it is for. */
  drafts = new Map();

  /** `changed(id)` is called whenever a conversation is another one than before. */
  constructor(request, stored, me, changed) { Object.assign(this, { request, stored, me, changed }); }

  get(id) { return this.#all.get(id); }
  list(...folders) { return [...this.#all.values()].filter((chat) => folders.includes(chat.folder)).sort((a, b) => when(b) - when(a)); }
  get unread() { return this.list("inbox").filter((chat) => chat.unread).length; }

  /** The first thing a page without a stored state is told. */
  snapshot({ conversations, now }) {
    this.#now = now;
    for (const conversation of conversations) this.#put(conversation);
  }

  /** Keep a CONVERSATION. A head that is stored is never moved by it. */
  #put(conversation) {
    const known = this.#all.get(conversation.id);
    const { events, more, ...rest } = conversation;
    // The same one for as long as it is here: whoever waits with it in hand goes on with what it is then.
    const chat = Object.assign(known ?? { typing: new Map(), sending: [], log: new Log(conversation.last_c) }, rest);
    this.#all.set(chat.id, chat);
    for (const event of events ?? []) this.#apply(chat, event, false);
    // Of one that was declined nothing was told meanwhile.
    if (more || conversation.last_c > chat.log.head) this.#fill(chat).catch(() => undefined);
    if (!known) this.stored(chat.id, conversation.last_c);
    this.changed(chat.id);
    return chat;
  }

  async open(user) { return this.#put((await this.request("conversation.open", { user })).conversation); }
  async fetch(id) { return this.#put(await this.request("conversation.get", { conversation: id })); }

  async more(folder) {
    const { items } = await this.request("conversation.list", { folder });
    for (const conversation of items) this.#put(conversation);
  }

  /** The events of an opened conversation, or those before what is there; false: there are none before. */
  async older(chat) {
    const before = chat.log.events[0]?.c ?? chat.log.head + 1;
    if (before <= 1) return false;
    const { events, more } = await this.request("message.history", { conversation: chat.id, before, limit: PAGE });
    chat.log.older(events);
    this.changed(chat.id);
    return more;
  }

  /** An event that names a conversation. */
  async take(event) {
    const chat = this.#all.get(event.conversation);
    if (event.ev === "conversation.gone") this.#all.delete(event.conversation);
    else if (!chat) return event.c === undefined ? undefined : this.#meet(event);
    else if (event.c !== undefined && event.ev !== "typing") this.#apply(chat, event, true);
    else this.#mark(chat, event);
    return this.changed(event.conversation);
  }

  // Somebody began to talk to me, or goes on with something old: it is read once, whatever else comes of it meanwhile.
  #meet({ conversation }) {
    if (!this.#fetching.has(conversation))
      this.#fetching.set(conversation, this.fetch(conversation).catch(() => undefined).finally(() => this.#fetching.delete(conversation)));
    return this.#fetching.get(conversation);
  }

  #apply(chat, event, live) {
    const head = chat.log.head;
    if (!chat.log.take(event)) this.#fill(chat).catch(() => undefined);
    if (!live) this.stored(chat.id, event.c);
    if (chat.log.head === head) return;
    chat.last_c = Math.max(chat.last_c, chat.log.head);
    chat.last = chat.log.events.at(-1);
    chat.sending = chat.sending.filter((send) => send.cid !== event.cid);
    chat.typing.delete(event.from);
    if (live && event.ev === "message" && event.from !== this.me()) chat.unread = Math.min(100, chat.unread + 1);
  }

  // What is missing between the head and what came early.
  async #fill(chat) {
    for (let more = true; more; ) {
      const page = await this.request("message.history", { conversation: chat.id, after: chat.log.head, limit: 100 });
      for (const event of page.events) this.#apply(chat, event, false);
      more = page.more && page.events.length > 0;
    }
    this.changed(chat.id);
  }

  #mark(chat, event) {
    if (event.ev === "read") {
      chat.read_c = Math.max(chat.read_c, event.read_c);
      const unread = chat.log.events.filter((one) => one.ev === "message" && one.from !== this.me() && one.c > chat.read_c);
      chat.unread = chat.read_c >= chat.log.head ? 0 : Math.min(chat.unread, unread.length || chat.unread);
    } else if (event.ev === "receipt") {
      const member = chat.members.find((one) => one.user === event.user);
      for (const mark of ["delivered_c", "read_c"]) if (member && event[mark]) member[mark] = Math.max(member[mark] ?? 0, event[mark]);
    } else if (event.ev === "settings") this.fetch(chat.id).catch(() => undefined);
    else if (event.ev === "typing") this.#types(chat, event);
  }

  #types(chat, { user, kind, for_ms: forMs }) {
    clearTimeout(chat.typing.get(user));
    chat.typing.delete(user);
    if (kind === "stop") return;
    chat.typing.set(user, setTimeout(() => { chat.typing.delete(user); this.changed(chat.id); }, forMs));
  }

  /** Send a text, or what is `share`d, or both. Raises Refusal; the same words may be given again with the same `cid`. */
  async send(chat, text, share, cid = newCid()) {
    const send = { cid, text, share };
    try { await this.#send(chat, send); } catch (fault) { this.discard(chat, send); throw fault; }
  }

  /** Send what somebody wrote in the conversation. Refused, it stays there with `refused`, until it is given again or discarded. */
  async write(chat, send) {
    try { await this.#send(chat, send); } catch (fault) { send.refused = fault; this.changed(chat.id); }
  }

  discard(chat, send) {
    chat.sending = chat.sending.filter((one) => one !== send);
    this.changed(chat.id);
  }

  // One of a conversation after the other, as `c` is their order.
  #send(chat, send) {
    delete send.refused;
    chat.sending = [...chat.sending.filter((one) => one !== send), send];
    this.changed(chat.id);
    const turn = (this.#sending.get(chat.id) ?? Promise.resolve()).then(() => this.request("message.send", { conversation: chat.id, ...send }));
    this.#sending.set(chat.id, turn.catch(() => undefined));
    return turn;
  }

  /** I have seen everything that is here. */
  read(chat) {
    if (chat.read_c >= chat.log.head) return;
    chat.read_c = chat.log.head;
    chat.unread = 0;
    this.request("message.read", { conversation: chat.id, c: chat.read_c }).catch(() => undefined);
  }

  /** The stream lost its place: ask what changed beyond the heads. Answers the notifications of it. */
  async sync() {
    const heads = Object.fromEntries([...this.#all.values()].map((chat) => [chat.id, chat.log.head]));
    const asked = { heads, since: this.#now };
    for (let page = {}; ; ) {
      page = await this.request("sync", page.cursor ? { ...asked, cursor: page.cursor } : asked);
      for (const one of page.conversations) if (one.gone) this.#all.delete(one.id); else this.#put(one);
      this.changed();
      if (!page.cursor) { this.#now = page.now; return page.notifications; }
    }
  }
}

function when(chat) { return chat.last?.at ?? chat.at; }
