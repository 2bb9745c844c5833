// The list of notifications, live while it is open; opening it has seen them.

import { avatar, h, nothing, when } from "./dom.js";
import { followRequests } from "./requests.js";

const SEEN_MS = 1_000;

export function notificationsView(app, root) {
  const list = h("ul", { class: "list" }), status = h("p", { class: "faint", role: "status" });
  const requests = followRequests(app);
  root.append(h("h1", {}, "Notifications"), requests.element, status, list);
  let timer;
  const show = () => {
    list.replaceChildren(...app.notices.list.map((item) => line(app, item)));
    status.replaceChildren(...(list.children.length ? [] : [nothing("bell", "Nothing yet. What others do with your posts comes here.")]));
    clearTimeout(timer);
    timer = setTimeout(() => { if (!document.hidden) app.notices.see(); }, SEEN_MS);
  };
  const off = app.on("notices", show);
  show();
  return () => { off(); requests.end(); clearTimeout(timer); };
}

function line(app, item) {
  const sign = avatar(item.actors[0] ?? "0", "·");
  if (item.actors[0]) app.people.who(item.actors[0]).then(({ username }) => { sign.textContent = username.charAt(0).toUpperCase(); });
  return h("li", {}, h("a", { class: `row ${item.seen ? "" : "new"}`, href: place(item) }, sign,
    h("span", { class: "two" }, h("span", { class: "notice" }, item.text)), when(item.updated_at),
    !item.seen && h("span", { class: "dot", role: "img", "aria-label": "new" })));
}

const ON_POSTS = new Set(["like", "comment", "reply", "mention", "tag"]);

function place(item) {
  if (item.kind === "follow_request") return "#/notifications";
  if (item.kind === "message" || item.kind === "message_request") return "#/inbox";
  if (ON_POSTS.has(item.kind) && item.targets.length === 1) return `#/p/${item.targets[0]}`;
  return item.actors[0] ? `#/u/${item.actors[0]}` : "#/notifications";
}
