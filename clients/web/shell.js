// Around the views: which of them an address shows, the navigation, the title.

import { accountView } from "./account.js";
import { h, icon } from "./dom.js";
import { feedView } from "./feed.js";
import { peopleView } from "./finding.js";
import { conversationView, inboxView } from "./inbox.js";
import { notificationsView } from "./notifications.js";
import { postView } from "./post.js";
import { namedView, profileView } from "./profile.js";

const ROUTES = [
  [/^#\/c\/(\d+)$/, conversationView, "Conversation"], [/^#\/u\/(\d+)$/, profileView, "Profile"], [/^#\/p\/(\d+)$/, postView, "Post"],
  [/^#\/@([\w.]+)$/, namedView, "Profile"], [/^#\/inbox$/, inboxView, "Messages"], [/^#\/notifications$/, notificationsView, "Notifications"],
  [/^#\/people$/, peopleView, "People"], [/^/, feedView, "Home"],
];
const KEPT_MS = 600_000;

// The place is ours to restore: the browser would, before there is anything to scroll.
history.scrollRestoration = "manual";
let where = "Home", shown, leave = () => undefined, kept;

/** Show what the address says. */
export function route(app) {
  const [pattern, view, title] = ROUTES.find(([one]) => one.test(location.hash));
  where = title;
  render(view, (root) => view(app, root, ...pattern.exec(location.hash).slice(1)));
  marks(app);
}

/** Show how to sign in, and nothing else. */
export function account(app, words) {
  document.getElementById("navigation").hidden = true;
  document.title = "Tidings";
  render(accountView, (root) => accountView(app, root, words));
  forget();
}

/** The feed is another one now: it is not to be shown again as it was left. */
export function forget() { kept?.leave(); kept = undefined; }

// The feed stays as it is while one is elsewhere, and goes on listening: who comes back finds their place.
function render(view, show) {
  for (const open of document.querySelectorAll("dialog")) open.close();
  const root = document.getElementById("view");
  if (shown === feedView) kept = { leave, nodes: [...root.childNodes], y: scrollY, at: Date.now() }; else leave();
  if (kept && Date.now() - kept.at > KEPT_MS) forget();
  const back = view === feedView ? kept : undefined;
  root.replaceChildren(...(back?.nodes ?? []));
  root.focus({ preventScroll: true });
  leave = back?.leave ?? show(root);
  if (back) kept = undefined;
  shown = view;
  window.scrollTo({ top: back?.y ?? 0 });
}

// Where one is already, a link leads to the top.
function again({ currentTarget }) { if (currentTarget.getAttribute("aria-current")) window.scrollTo({ top: 0 }); }

export function navigation(app) {
  const link = (href, name, label) => h("a", { href, "data-to": href, onclick: again }, icon(name), h("span", {}, label), h("span", { class: "badge", hidden: true }));
  const nav = document.getElementById("navigation");
  nav.replaceChildren(h("a", { class: "brand", href: "#/" }, "Tidings"), link("#/", "home", "Home"), link("#/notifications", "bell", "Notifications"),
    h("button", { class: "quiet", onclick: () => app.compose("post") }, icon("plus"), h("span", {}, "New post")),
    link("#/inbox", "chat", "Messages"), link("#/people", "search", "People"), link(`#/u/${app.me()}`, "person", "You"));
  nav.hidden = false;
  marks(app);
}

/** How many are new, and where one is: in the navigation and in the title. */
export function marks(app) {
  const news = (app.notices?.badge ?? 0) + (app.chats?.unread ?? 0);
  document.title = `${news ? `(${news}) ` : ""}${where} · Tidings`;
  const badges = { "#/notifications": app.notices?.badge ?? 0, "#/inbox": app.chats?.unread ?? 0 };
  for (const link of document.querySelectorAll("#navigation [data-to]")) {
    const number = badges[link.dataset.to] ?? 0, badge = link.querySelector(".badge");
    badge.hidden = number === 0;
    badge.textContent = number > 99 ? "99+" : String(number);
    badge.setAttribute("aria-label", `${number} new`);
    if ((location.hash || "#/") === link.dataset.to) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}
