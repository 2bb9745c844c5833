// Who asks to follow me, which only somebody private is asked: answered where notifications are.

import { avatar, h, toast } from "./dom.js";
import { inWords } from "./words.js";

/** `{element, end}`: nothing while nobody asks, live. */
export function followRequests(app) {
  const list = h("ul", { class: "list" }), status = h("p", { class: "unseen", role: "status" });
  const element = h("section", { "aria-label": "Follow requests" }, h("h2", {}, "Follow requests"), list);
  element.hidden = true;
  const show = async () => {
    const { items } = await app.people.requests();
    list.replaceChildren(...items.map(row));
    element.hidden = !items.length;
  };
  const row = ({ user, username }) => {
    const decide = (on) => async () => {
      for (const button of buttons) button.disabled = true;
      try {
        await app.people.answer(user, on);
        line.remove();
        status.textContent = on ? `${username} follows you now.` : `The request of ${username} is declined.`;
        element.hidden = !list.children.length;
        (list.querySelector("button") ?? document.getElementById("view")).focus({ preventScroll: true });
      } catch (fault) {
        toast(fault.code === "not_found" ? `${username} does not ask any more.` : inWords(fault));
        show().catch(() => undefined);
      }
    };
    const buttons = [h("button", { "aria-label": `Accept ${username}`, onclick: decide(true) }, "Accept"),
      h("button", { class: "quiet", "aria-label": `Decline ${username}`, onclick: decide(false) }, "Decline")];
    const line = h("li", { class: "row" }, avatar(user, username), h("a", { class: "name two", href: `#/u/${user}` }, username), buttons);
    return line;
  };
  const again = () => show().catch(() => undefined);
  const offs = [app.on("notification", ({ kind }) => kind === "follow_request" && again()), app.on("notification.gone", again), app.on("welcome", again)];
  again();
  return { element: h("div", {}, element, status), end: () => { for (const off of offs) off(); } };
}
