// Sending a post to somebody: to those with whom one talks, as a message.

import { newCid } from "./api.js";
import { avatar, dialog, h, nothing, toast } from "./dom.js";
import { other, title } from "./inbox.js";
import { inWords } from "./words.js";

export function sharePost(app, post) {
  const chats = app.chats.list("inbox");
  const rows = chats.map((chat) => {
    const name = title(app, chat, h("span", { class: "name" })), sign = avatar(other(app, chat) ?? app.me(), "·");
    app.people.who(other(app, chat) ?? app.me()).then(({ username }) => { sign.textContent = username.charAt(0).toUpperCase(); });
    // Pressed again after an answer was lost, it is the same message.
    const cid = newCid();
    const send = h("button", { onclick: async () => {
      send.disabled = true;
      try { await app.chats.send(chat, undefined, { kind: "post", id: post.id }, cid); send.textContent = "Sent"; } catch (fault) { send.disabled = false; toast(inWords(fault)); }
    } }, "Send");
    return h("li", { class: "row" }, sign, h("span", { class: "two" }, name), send);
  });
  dialog("Send to", "sheet", h("h2", {}, "Send to"), h("div", { class: "scroll" },
    rows.length ? h("ul", { class: "list" }, rows) : nothing("chat", "You talk to nobody yet. Open somebody's profile and write to them.")));
}
