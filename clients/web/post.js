// One post on screen: pictures with their thumbhash behind them, like, comments, live totals.

import { newCid } from "./api.js";
import { avatar, dialog, h, icon, toast } from "./dom.js";
import { placeholder } from "./thumbhash.js";
import { ago, count, inWords } from "./words.js";

const WIDTHS = [320, 640, 1080];

/** A picture in a box of its own shape; `sizes` says how wide it is shown (HTML, img sizes). */
export function picture(media, alt, sizes = "(min-width: 46rem) 38rem, 100vw") {
  const image = h("img", {
    alt, sizes, loading: "lazy", decoding: "async", width: media.width, height: media.height,
    srcset: WIDTHS.map((width) => `${address(media, width)} ${width}w`).join(", "), src: address(media, 640),
  });
  const box = h("div", { class: "picture" }, media.thumbhash && placeholder(media.thumbhash), image);
  box.style.aspectRatio = `${media.width} / ${Math.min(media.height, media.width * 1.25)}`;
  image.addEventListener("load", () => box.classList.add("loaded"));
  image.addEventListener("error", () => box.classList.add("failed"));
  return box;
}

/** Where a variant of a picture is. */
export function address(media, variant) { return media.url.replace("{variant}", variant); }

/** Who did it, with a link to them. */
export function byline(author, at, ...more) {
  return h("header", { class: "byline" },
    avatar(author.user, author.username),
    h("a", { href: `#/u/${author.user}`, class: "name" }, author.username),
    h("span", { class: "faint" }, ...more, at === undefined ? "" : h("time", { datetime: new Date(at).toISOString() }, ago(at))));
}

/** The article of a post. `article.count({likes, comments})` shows other totals. */
export function postCard(app, told) {
  const post = { likes: 0, comments: 0, liked: false, ...told };
  const likes = h("span", { class: "likes" }), comments = h("button", { class: "quiet", onclick: () => openComments(app, post, card.count) });
  const like = h("button", { class: "quiet round like", onclick: () => toggle() }, icon("heart"));
  const show = () => {
    like.setAttribute("aria-pressed", String(post.liked));
    like.setAttribute("aria-label", post.liked ? "Unlike" : "Like");
    likes.textContent = count(post.likes, "like");
    comments.replaceChildren(icon("comment"), h("span", { class: "comments" }, count(post.comments, "comment")));
  };
  const toggle = async () => {
    const liked = !post.liked;
    Object.assign(post, { liked, likes: Math.max(0, post.likes + (liked ? 1 : -1)) });
    show();
    try { card.count(await app.api.call(liked ? "PUT" : "DELETE", `/v1/posts/${post.id}/like`)); } catch (fault) {
      Object.assign(post, { liked: !liked, likes: post.likes + (liked ? -1 : 1) });
      show();
      toast(inWords(fault));
    }
  };
  const alt = post.caption || `Photo by ${post.author.username}`;
  const pictures = post.media.map((media) => picture(media, alt));
  const card = h("article", { class: "card post", "aria-label": `Post by ${post.author.username}`, "data-post": post.id },
    byline(post.author, post.at, post.place ? `${post.place} · ` : ""),
    pictures.length === 1 ? pictures[0] : h("div", { class: "strip", tabindex: 0, role: "group", "aria-label": `${pictures.length} photos` }, pictures),
    h("div", { class: "deeds" }, like, likes, comments),
    post.caption && h("p", { class: "caption" }, post.caption));
  card.count = (totals) => { Object.assign(post, totals); show(); };
  show();
  return card;
}

function openComments(app, post, counted) {
  const list = h("ul", { class: "comments-list" }), words = h("p", { class: "faint", role: "status" }, "Loading…");
  const text = h("input", { name: "text", maxlength: 2200, required: true, autocomplete: "off", "aria-label": "Your comment", placeholder: "Say something kind" });
  const add = (comment) => h("li", {}, byline(comment.author, comment.at), h("p", {}, comment.text ?? "deleted"));
  const fetch = async () => {
    try {
      const { items } = await app.api.call("GET", `/v1/posts/${post.id}/comments`);
      list.replaceChildren(...items.map(add));
      words.textContent = items.length ? "" : "No comments yet.";
    } catch (fault) { words.textContent = inWords(fault); }
  };
  const form = h("form", { class: "line" }, text, h("button", { class: "round", "aria-label": "Comment" }, icon("send")));
  let cid = newCid();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { comment } = await app.api.call("POST", `/v1/posts/${post.id}/comments`, { cid, text: text.value });
      cid = newCid();
      form.reset();
      words.textContent = "";
      list.prepend(add(comment));
      counted({ comments: post.comments + 1 });
    } catch (fault) { words.textContent = inWords(fault); }
  });
  dialog("Comments", "sheet", h("h2", {}, "Comments"), words, list, form);
  text.focus();
  fetch();
}
