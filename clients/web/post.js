// One post on screen: pictures, like, save, comments, live totals; and one alone on the page.

import { openComments } from "./comments.js";
import { byline, dialog, failed, h, icon, toast } from "./dom.js";
import { change, markButton, take } from "./marks.js";
import { pictures } from "./pictures.js";
import { sharePost } from "./sharing.js";
import { count, inWords } from "./words.js";

const LONG = 220, LINES = 4;

/** The article of a post. `article.count({likes, comments})` shows totals that were told. */
export function postCard(app, given) {
  const post = { likes: 0, comments: 0, ...given }, { username } = post.author, path = `/v1/posts/${post.id}`, mine = post.author.user === app.me(), words = h("div");
  const likes = h("span", { class: "likes" }), comments = h("button", { class: "quiet", onclick: () => openComments(app, post, (by) => { change(post, "comments", by); show(); }) });
  const show = () => {
    likes.textContent = count(post.likes, "like");
    comments.replaceChildren(icon("comment"), post.comments.toLocaleString());
    comments.setAttribute("aria-label", count(post.comments, "comment"));
  };
  const card = h("article", { class: "card post", "aria-label": `Post by ${username}`, "data-post": post.id },
    byline(post.author, post.at, ...(post.place ? [post.place] : [])),
    pictures(post.media, username),
    h("div", { class: "deeds" },
      markButton(app, post, { mark: "liked", total: "likes", path: `${path}/like`, sign: "heart", label: "Like" }, show), likes, comments,
      h("button", { class: "quiet round", "aria-label": "Send to somebody", onclick: () => sharePost(app, post) }, icon("send")),
      h("span", { class: "gap" }),
      mine && h("button", { class: "quiet round", "aria-label": "Edit caption", onclick: () => edit(app, post, told) }, icon("pencil")),
      mine && h("button", { class: "quiet round", "aria-label": "Delete post", onclick: () => remove(app, post.id) }, icon("bin")),
      markButton(app, post, { mark: "saved", path: `${path}/save`, sign: "save", label: "Save" }, show)),
    words);
  const told = () => words.replaceChildren(...(post.caption ? [caption(post.caption)].flat() : []));
  told();
  card.count = (totals) => { take(post, totals); show(); };
  show();
  return card;
}

// A long one is cut until somebody wants all of it.
function caption(text) {
  const words = h("p", { class: "caption", dir: "auto" }, text);
  if (text.length <= LONG && text.split("\n").length <= LINES) return words;
  words.classList.add("cut");
  const more = h("button", { class: "quiet more", onclick: () => { words.classList.remove("cut"); more.remove(); } }, "Show all");
  return [words, more];
}

// Other words under it, or none.
function edit(app, post, then) {
  const text = h("textarea", { name: "caption", maxlength: 2200, rows: 5, dir: "auto", "aria-label": "Caption", "aria-describedby": "caption-fault", value: post.caption ?? "" });
  const fault = h("p", { class: "alert", role: "alert", id: "caption-fault" }), save = h("button", { class: "primary" }, "Save caption");
  const form = h("form", { class: "compose" }, text, fault, save);
  const element = dialog("Edit caption", "sheet kept", h("h2", {}, "Edit caption"), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      post.caption = (await app.api.call("PATCH", `/v1/posts/${post.id}`, { caption: text.value.trim() })).caption;
      element.close();
      then();
    } catch (refused) { fault.textContent = inWords(refused); save.disabled = false; }
  });
  text.focus();
}

function remove(app, id) {
  const sure = h("button", { onclick: async () => {
    sure.disabled = true;
    try { await app.api.call("DELETE", `/v1/posts/${id}`); element.close(); app.emit("post.removed", { post: id }); } catch (fault) { sure.disabled = false; toast(inWords(fault)); }
  } }, "Delete");
  const element = dialog("Delete this post?", "sheet", h("h2", {}, "Delete this post?"), h("p", {}, "It is gone everywhere, with its likes and comments."),
    h("div", { class: "deeds end-deeds" }, h("button", { class: "quiet", onclick: () => element.close() }, "Keep it"), sure));
}

export function postView(app, root, id) {
  const status = h("p", { class: "faint", role: "status" }, "Loading…");
  root.append(h("h1", { class: "unseen" }, "Post"), status);
  let card;
  app.api.call("GET", `/v1/posts/${id}`).then((post) => {
    if (!post.media.length) { status.textContent = post.state === "processing" ? "This post is still being made." : "This post cannot be shown."; return; }
    card = postCard(app, post);
    status.replaceWith(card);
    app.request("post.watch", { posts: [id] }).catch(() => undefined);
  }, (fault) => failed(status, fault));
  const offs = [
    app.on("post.count", (event) => event.post === id && card?.count({ likes: event.likes, comments: event.comments })),
    app.on("post.removed", (event) => event.post === id && card?.replaceWith(h("p", { class: "faint" }, "This post is gone."))),
  ];
  return () => { for (const off of offs) off(); app.request("post.watch", { posts: [] }).catch(() => undefined); };
}
