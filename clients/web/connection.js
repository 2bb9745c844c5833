// One WebSocket with the JSON subprotocol, kept by the rules of rules.js: hello, resume, ack, ping, bands.

import { GOODBYE, PROTOCOL, RESUME_LATER, Stream, afterClose, sendAgain } from "./rules.js";
import { Refusal } from "./words.js";

const REPLY_MS = 10_000, ACK_MS = 500, MOST_WAITING = 200, MOVED_IN_A_ROW = 3, LOST = 1006;
const UNSENDABLE = new Set([1002, 1007, 1009]);

export class Connection {
  #socket; #stream = new Stream(); #ids = 0; #waiting = []; #flying = new Map(); #ready = false; #ended = false;
  #tries = 0; #moved = 0; #url; #ackTimer; #reconnectTimer; #silence; #pingMs = 25_000;
  #gone = new AbortController();

  /** `api` has tokens, `tell(event)` takes every event, `show(state)` is told "online", "offline" or a close code. */
  constructor({ url, api, device, tell, show }) {
    Object.assign(this, { url, api, device, tell, show });
    const { signal } = this.#gone;
    document.addEventListener("visibilitychange", () => this.#background(), { signal });
    window.addEventListener("online", () => this.#hasten(), { signal });
    this.#open();
  }

  /** Send a request; its `ok`, or a Refusal. Kept until it is answered, through reconnects: give what creates a cid. */
  request(op, fields = {}) {
    if (this.#ended) return Promise.reject(new Refusal("unavailable", "There is no connection to the server."));
    if (this.#waiting.length + this.#flying.size >= MOST_WAITING)
      return Promise.reject(new Refusal("unavailable", "Too much is waiting for the connection: try again later."));
    return new Promise((resolve, reject) => {
      const entry = { op, fields, resolve, reject, tries: 0 };
      if (this.#ready) this.#write(entry); else this.#waiting.push(entry);
    });
  }

  /** What is never answered, and dropped while there is no connection: typing. */
  say(op, fields) { if (this.#ready) this.#send({ op, ...fields }); }

  /** An event of a conversation was stored that came by sync, snapshot or history. */
  stored(conversation, c) { this.#stream.store(conversation, c); this.#ackSoon(); }

  /** For good: I am gone. */
  end() {
    this.#ended = true;
    this.#gone.abort();
    this.#socket?.close(GOODBYE);
    this.#stop();
    this.#rejectAll("You are signed out.");
  }

  async #open() {
    const token = await this.api.token().catch(() => undefined);
    if (this.#ended) return undefined;
    const url = this.#url ?? this.url;
    this.#url = undefined;
    // Without a token, or where the page may not connect to, this attempt has failed like one that finds nobody.
    if (!token) return this.#closed(LOST, "");
    let socket;
    try { socket = this.#socket = new WebSocket(url, PROTOCOL); } catch { return this.#closed(LOST, ""); }
    socket.onopen = () => this.#hello(token);
    socket.onmessage = (message) => socket === this.#socket && this.#take(JSON.parse(message.data));
    socket.onclose = (close) => socket === this.#socket && this.#closed(close.code, close.reason);
    return undefined;
  }

  #hello(token) {
    this.#ids = 1;
    const hello = { op: "hello", id: 1, token, device: { id: this.device, platform: "web", app: "tidings page" } };
    if (this.#stream.resume) Object.assign(hello, { resume: this.#stream.resume, snapshot: false });
    if (this.#moved < MOVED_IN_A_ROW) hello.follow = true;
    if (document.hidden) hello.background = true;
    this.#send(hello);
  }

  #take(message) {
    if ("re" in message) return this.#answered(message);
    if (message.ev === "ping") return this.#ping(message.u);
    if (message.ev === "continuity") { this.#stream.continuity(message); this.tell({ ev: "lost" }); return this.#ackSoon(); }
    if (message.u !== undefined && message.ev !== "synced") {
      const verdict = this.#stream.take(message.u);
      if (verdict === "gap") return this.#resume();
      if (verdict === "drop") return undefined;
      this.#ackSoon();
    }
    return this.tell(message);
  }

  #answered({ re, ok, err }) {
    if (re === 1) return ok && this.#welcome(ok);
    const entry = this.#flying.get(re);
    if (!entry) return undefined;
    this.#flying.delete(re);
    clearTimeout(entry.timer);
    if (ok) return entry.resolve(ok);
    return this.#refused(entry, err);
  }

  #refused(entry, { code, message, retry_ms: retryMs = 1_000 }) {
    entry.tries += 1;
    if (!sendAgain(code, entry.tries)) return entry.reject(new Refusal(code, message));
    entry.timer = setTimeout(() => (this.#ready ? this.#write(entry) : this.#waiting.push(entry)), retryMs);
    return undefined;
  }

  #welcome(ok) {
    const lost = this.#stream.welcome(ok);
    this.#pingMs = ok.ping_ms;
    Object.assign(this, { user: ok.user });
    this.#ready = true;
    this.#tries = this.#moved = 0;
    this.#listen();
    this.show("online");
    this.tell({ ev: "welcome", outcome: ok.outcome });
    if (lost) this.tell({ ev: "lost" });
    if (ok.outcome !== "fresh") this.tell({ ev: "returned" });
    for (const entry of this.#waiting.splice(0)) this.#write(entry);
  }

  #write(entry) {
    const id = (this.#ids += 1);
    this.#flying.set(id, entry);
    entry.timer = setTimeout(() => {
      this.#flying.delete(id);
      this.#refused(entry, { code: "unknown_outcome", message: "The server did not answer.", retry_ms: 0 });
    }, REPLY_MS);
    this.#send({ op: entry.op, id, ...entry.fields });
  }

  #ping(u) {
    this.#listen();
    if (u !== this.#stream.u) return this.#resume();
    return this.#send(this.#stream.ack());
  }

  #ackSoon() {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined;
      if (this.#ready && this.#stream.behind) this.#send(this.#stream.ack());
    }, ACK_MS);
  }

  // A socket over which nothing comes any more, not even pings, is dead whether or not it knows.
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#resume(), 2.5 * this.#pingMs);
  }

  #resume() {
    const socket = this.#socket;
    this.#closed(RESUME_LATER, "");
    socket.close(RESUME_LATER);
  }

  #closed(code, reason) {
    this.#stop();
    this.#socket = undefined;
    if (this.#ended) return;
    if (UNSENDABLE.has(code)) this.#rejectAll("The server could not take this request.");
    this.#waiting.unshift(...this.#flying.values());
    this.#flying.clear();
    const next = afterClose(code, reason, this.#tries);
    if (next.do === "stop") { this.#ended = true; this.#rejectAll("The connection has ended."); return this.show(code); }
    this.#tries += 1;
    this.#moved = next.moved ? this.#moved + 1 : this.#moved;
    this.#url = next.url;
    if (!next.url) this.show("offline");
    this.#reconnectTimer = setTimeout(() => this.#again(next.do === "refresh"), next.afterMs);
  }

  async #again(refresh) {
    this.#reconnectTimer = undefined;
    // A refused refresh signs the page out, which ends this connection; without a network the next try asks again.
    if (refresh) await this.api.refresh().catch(() => undefined);
    if (!this.#ended) await this.#open();
  }

  #hasten() {
    if (this.#reconnectTimer === undefined) return;
    clearTimeout(this.#reconnectTimer);
    this.#again(false);
  }

  // In the background no live events come: what they told has to be looked up after it.
  #background() {
    if (!this.#ready) return;
    this.request("background", { on: document.hidden }).then(() => document.hidden || this.tell({ ev: "returned" }), () => undefined);
  }

  #rejectAll(words) {
    for (const entry of [...this.#waiting.splice(0), ...this.#flying.values()]) entry.reject(new Refusal("unavailable", words));
    this.#flying.clear();
  }

  #stop() {
    this.#ready = false;
    for (const timer of [this.#ackTimer, this.#silence, this.#reconnectTimer]) clearTimeout(timer);
    for (const entry of this.#flying.values()) clearTimeout(entry.timer);
    this.#ackTimer = this.#reconnectTimer = undefined;
  }

  #send(message) { if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message)); }
}
