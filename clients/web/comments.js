// The comments of a post: threads of one level, the newest first, their answers in the order in which they came.

import { newCid } from "./api.js";
import { attend, byline, dialog, h, icon, toast } from "./dom.js";
import { markButton } from "./marks.js";
import { count, inWords } from "./words.js";

/** Show them over the page; `total(by)` is told by how many there are more or fewer of the post. */
export function openComments(app, post, total) {
  const list = h("ul", { class: "threads", tabindex: -1, "aria-label": "Comments" }), status = h("p", { class: "faint", role: "status" });
  const text = h("input", { name: "text", maxlength: 2200, required: true, autocomplete: "off", dir: "auto", "aria-label": "Your comment", "aria-describedby": "comment-fault", placeholder: "Say something kind" });
  const whom = h("p", { class: "answering", hidden: true }), fault = h("p", { class: "alert", role: "alert", id: "comment-fault" }), more = h("button", { class: "quiet", hidden: true, onclick: () => page() });
  const form = h("form", { class: "line" }, text, h("button", { class: "round", "aria-label": "Comment" }, icon("send")));
  const threads = new Map(), { drafts } = app.chats;
  let cid = newCid(), parent, next;
  text.value = drafts.get(post.id) ?? "";
  text.addEventListener("input", () => drafts.set(post.id, text.value));

  const answer = (comment) => {
    parent = comment && (comment.parent ?? comment.id);
    whom.hidden = !comment;
    if (comment) {
      whom.replaceChildren(`Answering ${comment.author.username} `, h("button", { class: "quiet", onclick: () => answer() }, "Cancel"));
      if (!text.value) text.value = `@${comment.author.username} `;
      text.focus();
    }
  };
  const put = (comment, first) => {
    if (threads.has(comment.id)) return;
    const thread = threadOf(app, post, comment, { answer, gone: (lost) => { total(-lost); if (!list.children.length) empty(); list.focus({ preventScroll: true }); } });
    threads.set(comment.id, thread);
    list[first ? "prepend" : "append"](thread.element);
  };
  const empty = () => { status.textContent = "No comments yet. Be the first."; };
  const page = async () => {
    more.disabled = true;
    if (!next) status.textContent = "Loading…";
    try {
      const told = await app.api.call("GET", `/v1/posts/${post.id}/comments${next ? `?before=${encodeURIComponent(next)}` : ""}`);
      for (const comment of told.items) put(comment, false);
      next = told.next;
      status.textContent = "";
      if (!list.children.length) empty();
      more.hidden = !next;
      more.textContent = "Earlier comments";
    } catch (fault) { status.textContent = inWords(fault); more.hidden = false; more.textContent = "Try again"; }
    more.disabled = false;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = text.value.trim();
    if (!said) return;
    const body = { cid, text: said, ...(parent && { parent }) };
    if (form.lastChild.disabled) return;
    form.lastChild.disabled = text.readOnly = true;
    fault.textContent = "";
    try {
      const { comment } = await app.api.call("POST", `/v1/posts/${post.id}/comments`, body);
      form.reset();
      drafts.delete(post.id);
      status.textContent = "";
      if (comment.parent && threads.has(comment.parent)) threads.get(comment.parent).add(comment); else put(comment, true);
      answer();
      total(1);
      cid = newCid();
    } catch (refused) { fault.textContent = inWords(refused); cid = refused.code === "id_reused" ? newCid() : cid; }
    form.lastChild.disabled = text.readOnly = false;
  });
  dialog("Comments", "sheet", h("h2", {}, "Comments"), h("div", { class: "scroll" }, status, list, more), whom, fault, form);
  attend(text);
  page();
}

// One comment that began a thread, with its answers once somebody wants to see them.
function threadOf(app, post, comment, { answer, gone }) {
  const answers = h("ul", { class: "answers" }), known = new Map();
  const more = h("button", { class: "quiet more", onclick: () => unfold() });
  let hidden = comment.comments ?? 0, next;
  const show = () => { more.hidden = hidden <= 0; more.textContent = `Show ${count(hidden, "answer")}`; };
  const add = (one) => {
    if (known.has(one.id)) return;
    const row = commentRow(app, post, one, { answer, gone: () => { row.remove(); gone(1); } });
    known.set(one.id, row);
    answers.append(row);
  };
  const unfold = async () => {
    try {
      const told = await app.api.call("GET", `/v1/comments/${comment.id}/replies${next ? `?after=${encodeURIComponent(next)}` : ""}`);
      // What I said meanwhile comes again in its place.
      for (const one of told.items) { known.get(one.id)?.remove(); known.delete(one.id); add(one); }
      next = told.next;
      hidden = next ? Math.max(1, hidden - told.items.length) : 0;
      show();
    } catch (fault) { toast(inWords(fault)); }
  };
  const element = commentRow(app, post, comment, { answer, gone: () => { element.remove(); gone(1 + hidden + answers.children.length); } });
  element.append(answers, more);
  show();
  return { element, add };
}

function commentRow(app, post, comment, { answer, gone }) {
  const likes = h("span", { class: "faint" }), { username, user } = comment.author;
  const show = () => { likes.textContent = comment.likes ? count(comment.likes, "like") : ""; };
  const remove = async ({ target }) => {
    target.disabled = true;
    try { await app.api.call("DELETE", `/v1/comments/${comment.id}`); gone(); } catch (fault) { target.disabled = false; toast(inWords(fault)); }
  };
  show();
  return h("li", {}, byline(comment.author, comment.at), h("p", { dir: "auto" }, comment.text ?? "(deleted)"),
    h("div", { class: "deeds" },
      markButton(app, comment, { mark: "liked", total: "likes", path: `/v1/comments/${comment.id}/like`, sign: "heart", label: `Like the comment of ${username}` }, show), likes,
      h("button", { class: "quiet", "aria-label": `Answer ${username}`, onclick: () => answer(comment) }, "Answer"),
      [user, post.author.user].includes(app.me()) && h("button", { class: "quiet", "aria-label": `Delete the comment of ${username}`, onclick: remove }, "Delete")));
}
