// Whether somebody is here, live (docs/protocol.md §5).

import { h, when } from "./dom.js";

// A watch ends with each of them.
const AGAIN = ["welcome", "lost", "synced", "returned"];

/** `{element, end}`: a line on `user`, with whom I am in `conversation`; empty while nothing is known of them. */
export function presenceOf(app, user, conversation) {
  const element = h("p", { class: "faint presence" });
  const show = (told) => {
    const here = told.state === "online";
    element.classList.toggle("here", here);
    if (here) element.textContent = told.conversation === conversation ? "here now" : "online";
    else if (told.last_active_at) element.replaceChildren("last active ", when(told.last_active_at));
    else element.textContent = told.state === "idle" ? "away" : "";
  };
  const watch = () => app.request("presence.watch", { users: [user], conversation }).then(({ users }) => users.forEach(show), () => undefined);
  const offs = [app.on("offline", () => show({})), app.on("presence", (event) => event.user === user && show(event)), ...AGAIN.map((name) => app.on(name, watch))];
  watch();
  return { element, end: () => { for (const off of offs) off(); app.request("presence.watch", { users: [] }).catch(() => undefined); } };
}
