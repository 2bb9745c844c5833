// Notifications as they stand: the first page by the snapshot or sync, then live (§6).

export class Notices {
  badge = 0; #items = new Map();

  constructor(request, changed) { Object.assign(this, { request, changed }); }

  get list() { return [...this.#items.values()].sort((a, b) => b.updated_at - a.updated_at); }

  /** The first page replaces what is here. */
  replace({ badge, items }) {
    this.badge = badge;
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.changed();
  }

  take(event) {
    if (event.ev === "notification") this.#put(event);
    else if (event.ev === "notification.gone") this.#drop(event.id);
    else this.#saw(event.up_to, event.badge);
    this.changed();
  }

  #put(item) {
    this.badge += Number(!item.seen) - Number(this.#items.get(item.id)?.seen === false);
    this.#items.set(item.id, item);
  }

  #drop(id) {
    this.badge -= Number(this.#items.get(id)?.seen === false);
    this.#items.delete(id);
  }

  #saw(upTo, badge) {
    this.badge = badge;
    for (const item of this.#items.values()) if (item.updated_at <= upTo) this.#items.set(item.id, { ...item, seen: true });
  }

  /** I have seen all of them. */
  see() {
    const newest = this.list[0]?.updated_at;
    if (newest !== undefined && this.badge > 0) this.request("notification.seen", { up_to: newest }).catch(() => undefined);
  }
}
