// The client's rules of docs/protocol.md §1–§3 and §8 as plain values: no socket, no timer, no page.

export const PROTOCOL = "tidings.v1.json";
export const RESUME_LATER = 3000;
export const GOODBYE = 1000;
const BASE_MS = 1_000, CAP_MS = 30_000, BAND_41_MS = 5_000, FOLDED_MS = 7_500;

// Final refusals; everything else a client sends again (§2).
const FINAL = new Set(["bad_request", "unknown_op", "forbidden", "not_found", "conflict_state", "id_reused", "too_large"]);
const INTERNAL_TRIES = 3, TRIES = 8;

/** Whether a request that got this code is to be sent again, after so many tries. */
export function sendAgain(code, tries) {
  if (FINAL.has(code) || code === "unauthenticated") return false;
  return tries < (code === "internal" ? INTERNAL_TRIES : TRIES);
}

/** What to do after a close: `do` is "resume", "refresh" (a fresh token, then resume) or "stop". */
export function afterClose(code, reason, tries, random = Math.random) {
  const told = parsed(reason);
  const jitter = random() * Math.min(CAP_MS, BASE_MS * 2 ** tries);
  if (code >= 4300 && code < 4400) return { do: "stop", code };
  if (code >= 4200 && code < 4300) return { do: "refresh", afterMs: tries ? jitter : 0 };
  if (code >= 4100 && code < 4200) return { do: "resume", afterMs: told.retry_ms ?? BAND_41_MS };
  const moved = code === 4002 && typeof told.url === "string" ? told.url : undefined;
  return { do: "resume", afterMs: told.retry_ms ?? (moved ? 0 : jitter), url: moved, moved: code === 4002 };
}

/**
 * The total to show when another is told, which may be FOLDED_MS old (§9): what I did myself at `own.at`, up or down by
 * `own.by`, is not lost to one that does not hold it yet.
 */
export function totalOf(shown, told, own, now) {
  if (!own || now - own.at > FOLDED_MS) return told;
  return own.by > 0 ? Math.max(shown, told) : Math.min(shown, told);
}

function parsed(reason) {
  try { return JSON.parse(reason) ?? {}; } catch { return {}; }
}

/** Where the copy of the user's stream ends: counts `u`, says what to resume from and what to ack. */
export class Stream {
  epoch; u = 0; stored = {}; #acked = -1;

  get known() { return this.epoch !== undefined; }
  get resume() { return this.known ? { epoch: this.epoch, u: this.u } : undefined; }

  /** The hello was answered. True: what was missed will not be told, so `sync` has to ask for it. */
  welcome({ epoch, u, outcome }) {
    const lost = outcome === "resync";
    if (outcome !== "resumed") this.u = u;
    this.epoch = epoch;
    this.#acked = -1;
    return lost;
  }

  /** The user's actor was replaced while the socket lived. */
  continuity({ epoch, u }) { this.epoch = epoch; this.u = u; this.#acked = -1; }

  /** "apply", "drop" what is known, or "gap": something between is missing and the socket has to resume. */
  take(u) {
    if (u <= this.u) return "drop";
    if (u > this.u + 1) return "gap";
    this.u = u;
    return "apply";
  }

  /** Something of a conversation was stored that came without a number. */
  store(conversation, c) { if (c > (this.stored[conversation] ?? 0)) this.stored[conversation] = c; }

  get behind() { return this.u !== this.#acked || Object.keys(this.stored).length > 0; }

  ack() {
    const ack = { op: "ack", epoch: this.epoch, u: this.u };
    if (Object.keys(this.stored).length) ack.heads = this.stored;
    this.stored = {};
    this.#acked = this.u;
    return ack;
  }
}

/** One conversation's log as far as it is stored: applies in order of `c`, keeps aside what came early. */
export class Log {
  events = []; #aside = new Map();

  constructor(head) { this.head = head; }

  /** True when the event is now stored, or was already; false: `message.history` after `head` is needed. */
  take(event) {
    if (event.c > this.head + 1) { this.#aside.set(event.c, event); return false; }
    if (event.c === this.head + 1) this.#apply(event);
    for (let next; (next = this.#aside.get(this.head + 1)); ) { this.#aside.delete(next.c); this.#apply(next); }
    for (const c of this.#aside.keys()) if (c <= this.head) this.#aside.delete(c);
    return this.#aside.size === 0;
  }

  /** A page of older events, put before those that are here. */
  older(events) {
    const first = this.events[0]?.c ?? this.head + 1;
    this.events.unshift(...events.filter((event) => event.c < first));
  }

  #apply(event) { this.events.push(event); this.head = event.c; }
}
