// Names of people, each asked for once.

export class People {
  #known = new Map();

  constructor(api) { this.api = api; }

  /** Remember whom an answer told of. */
  learn({ user, id = user, username, name }) { this.#known.set(id, Promise.resolve({ id, username, name })); }

  /** `{id, username, name?}`; of somebody who may not be seen, "somebody". */
  who(id) {
    if (!this.#known.has(id)) {
      const asked = this.api.call("GET", `/v1/users/${id}`);
      this.#known.set(id, asked.catch(() => { this.#known.delete(id); return { id, username: "somebody" }; }));
    }
    return this.#known.get(id);
  }

  /** Put the name into an element once it is known. */
  name(element, id) { this.who(id).then(({ username }) => { element.textContent = username; }); return element; }

  profile(id) { return this.api.call("GET", `/v1/users/${id}`); }
  called(name) { return this.api.call("GET", `/v1/users/by-username/${encodeURIComponent(name)}`); }
  relation(id) { return this.api.call("GET", `/v1/users/${id}/relation`); }
  follow(id, on) { return this.api.call(on ? "PUT" : "DELETE", `/v1/users/${id}/follow`); }
  requests() { return this.api.call("GET", "/v1/me/follow-requests?limit=100"); }
  answer(id, on) { return this.api.call(on ? "PUT" : "DELETE", `/v1/me/follow-requests/${id}`); }
  setPrivate(on) { return this.api.call("PATCH", "/v1/me", { private: on }); }
  followers() { return this.api.call("GET", "/v1/me/followers"); }
  suggestions() { return this.api.call("GET", "/v1/me/suggestions"); }
}
