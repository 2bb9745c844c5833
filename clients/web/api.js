// The HTTP interface (docs/protocol.md §9), and the tokens: who is signed in here.
//
// They are kept in sessionStorage: two people can be signed in side by side, and a closed tab leaves nothing behind. A
// copy of a tab has its login too, though, and an old refresh token shown again ends a login: whichever of the copies
// exchanges it tells the others, and asks them before, as it may have slept. At the same moment both get the same one.

import { Refusal } from "./words.js";

const KEPT = "tidings.login", EARLY_MS = 30_000, COPIES_MS = 100, TRIES = 4;
const AGAIN = new Set(["unreached", "rate_limited", "unavailable", "unknown_outcome", "internal"]);

/** Names one request for ever: 128 random bits. */
export function newCid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
}

export class Api {
  #login = JSON.parse(sessionStorage.getItem(KEPT) ?? "null"); #refreshing; #copies = new BroadcastChannel(KEPT);

  /** `signedOut(words)` is called when the login is not valid any more. */
  constructor(signedOut) {
    this.signedOut = signedOut;
    this.#copies.onmessage = ({ data }) => this.#hear(data);
  }

  get user() { return this.#login?.user; }

  async signUp(username, password) { this.#keep(await this.#once("POST", "/v1/accounts", { username, password })); }
  async logIn(username, password) {
    this.#keep(await this.#once("POST", "/v1/logins", { username, password, device: { id: newCid(), platform: "web", app: "tidings page" } }));
  }

  async logOut() {
    await this.call("DELETE", "/v1/logins/current").catch(() => undefined);
    this.forget();
  }

  /** The login is over already. */
  forget() { this.#login = null; sessionStorage.removeItem(KEPT); }

  /** An access token that is good for a while. */
  async token() {
    if (!this.#login) throw new Refusal("unauthenticated", "You are not signed in.");
    if (this.#login.until - EARLY_MS < Date.now()) await this.refresh();
    return this.#login.access_token;
  }

  /** A fresh access token, exchanged once for all who ask meanwhile. */
  refresh() {
    this.#refreshing ??= this.#exchange().finally(() => { this.#refreshing = undefined; });
    return this.#refreshing;
  }

  /** Ask as who is signed in; what is to be sent again is, so whatever creates needs a cid. */
  async call(method, path, body) {
    for (let tries = 1; ; tries += 1) {
      const token = await this.token();
      try {
        return await this.#once(method, path, body, token);
      } catch (fault) {
        if (tries >= TRIES) throw fault;
        if (fault.code === "unauthenticated") await this.refresh();
        else if (AGAIN.has(fault.code)) await new Promise((done) => setTimeout(done, fault.retryMs ?? 500 * tries));
        else throw fault;
      }
    }
  }

  async #exchange() {
    const { name, until } = this.#login ?? {};
    this.#copies.postMessage({ name });
    await new Promise((done) => setTimeout(done, COPIES_MS));
    if (this.#login?.until > until) return;
    try {
      this.#keep(await this.#once("POST", "/v1/logins/refresh", { refresh_token: this.#login?.refresh_token ?? "" }), name);
      this.#copies.postMessage({ name, login: this.#login });
    } catch (fault) {
      if (fault.code === "unauthenticated") { this.forget(); this.signedOut("Your sign-in is over. Sign in again."); }
      throw fault;
    }
  }

  async #once(method, path, body, token) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw refusalOf(response, answer);
    return answer;
  }

  // What another tab says of a login: it asks for the newest tokens, or tells them.
  #hear({ name, login }) {
    if (!name || name !== this.#login?.name) return;
    if (!login) this.#copies.postMessage({ name, login: this.#login });
    else if (login.until > this.#login.until) this.#store(login);
  }

  #keep(login, name = newCid()) { this.#store({ ...login, name, until: Date.now() + login.expires_in * 1_000 }); }

  #store(login) {
    this.#login = login;
    sessionStorage.setItem(KEPT, JSON.stringify(login));
  }

}

/** Fetch, with a Refusal for a server that cannot be reached. */
export async function reach(path, options) {
  try { return await fetch(path, { ...options, cache: "no-store" }); } catch { throw new Refusal("unreached", "The server cannot be reached."); }
}

/** The refusal in a problem document (RFC 9457). */
export function refusalOf(response, answer) {
  return new Refusal(answer.code ?? "unavailable", answer.detail ?? `The server answered ${response.status}.`, answer.retry_ms);
}
