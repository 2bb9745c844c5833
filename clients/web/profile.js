// A person with what they posted, and finding people.

import { avatar, h } from "./dom.js";
import { address, postCard } from "./post.js";
import { placeholder } from "./thumbhash.js";
import { count, inWords } from "./words.js";

export function profileView(app, root, id) {
  const status = h("p", { class: "faint", role: "status" }), grid = h("div", { class: "grid" });
  const head = h("header", { class: "profile" });
  root.append(head, status, grid);
  const show = (person) => {
    app.people.learn(person);
    head.replaceChildren(avatar(person.id, person.username),
      h("div", {}, h("h1", {}, person.username), person.name && h("p", {}, person.name),
        h("p", { class: "faint" }, [count(person.posts ?? 0, "post"), count(person.followers ?? 0, "follower"), `${person.following ?? 0} following`].join(" · ")),
        h("div", { class: "deeds" }, person.id === app.me() ? h("button", { class: "quiet", onclick: app.logOut }, "Log out") : [followButton(app, person.id, refresh), write(app, person.id, status)])));
  };
  const refresh = async () => { try { show(await app.people.profile(id)); } catch (fault) { status.textContent = inWords(fault); } };
  const posts = async () => {
    const { items } = await app.api.call("GET", `/v1/users/${id}/posts`);
    grid.replaceChildren(...items.filter((post) => post.media.length).map((post) => h("a", { href: `#/p/${post.id}`, "aria-label": post.caption || `Photo by ${post.author.username}` },
      post.media[0].thumbhash && placeholder(post.media[0].thumbhash), h("img", { src: address(post.media[0], 320), alt: "", loading: "lazy" }))));
  };
  refresh().then(posts).catch((fault) => { status.textContent = inWords(fault); });
  const off = app.on("posted", () => { refresh(); posts().catch(() => undefined); });
  return off;
}

/** Follow, or follow no more; `then` is called when that has changed. */
export function followButton(app, user, then = () => undefined) {
  const button = h("button", { disabled: true }, "Follow");
  const WORDS = { none: "Follow", following: "Following", requested: "Requested" };
  let state;
  const show = (relation) => {
    state = relation.state;
    button.textContent = WORDS[state] ?? state;
    button.classList.toggle("quiet", state !== "none");
    button.disabled = false;
    button.setAttribute("aria-pressed", String(state !== "none"));
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    try { show(await app.people.follow(user, state === "none")); then(); } catch (fault) { button.disabled = false; app.toast(inWords(fault)); }
  });
  app.people.relation(user).then(show, (fault) => { button.title = inWords(fault); });
  return button;
}

function write(app, user, status) {
  return h("button", { class: "quiet", onclick: async () => {
    try { location.hash = `#/c/${(await app.chats.open(user)).id}`; } catch (fault) { status.textContent = inWords(fault); }
  } }, "Message");
}

/** Somebody by name, as a link may say it. */
export function namedView(app, root, name) {
  const status = h("p", { class: "faint", role: "status" }, "Looking…");
  root.append(status);
  let end = () => undefined;
  app.people.called(name).then((person) => { status.remove(); end = profileView(app, root, person.id); }, (fault) => { status.textContent = inWords(fault); });
  return () => end();
}

export function postView(app, root, id) {
  const status = h("p", { class: "faint", role: "status" }, "Loading…");
  root.append(h("h1", { class: "unseen" }, "Post"), status);
  let card;
  app.api.call("GET", `/v1/posts/${id}`).then((post) => {
    card = postCard(app, post);
    status.replaceWith(card);
    app.request("post.watch", { posts: [id] }).catch(() => undefined);
  }, (fault) => { status.textContent = inWords(fault); });
  const offs = [
    app.on("post.count", (event) => event.post === id && card?.count({ likes: event.likes, comments: event.comments })),
    app.on("post.removed", (event) => event.post === id && card?.replaceWith(h("p", { class: "faint" }, "This post is gone."))),
  ];
  return () => { for (const off of offs) off(); app.request("post.watch", { posts: [] }).catch(() => undefined); };
}

export function peopleView(app, root) {
  const list = h("ul", { class: "list" }), status = h("p", { class: "faint", role: "status" });
  const name = h("input", { name: "username", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-label": "Username", placeholder: "A username, such as alice" });
  const form = h("form", { class: "line" }, name, h("button", {}, "Find"));
  root.append(h("h1", {}, "Find people"), form, status, list);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { location.hash = `#/u/${(await app.people.called(name.value.trim().replace(/^@/, ""))).id}`; } catch (fault) { status.textContent = inWords(fault); }
  });
  const row = (person, words) => h("li", { class: "row" }, avatar(person.user, person.username),
    h("span", { class: "two" }, h("a", { class: "name", href: `#/u/${person.user}` }, person.username), words && h("span", { class: "faint" }, words)), followButton(app, person.user));
  const suggest = async () => {
    const { items } = await app.people.suggestions();
    if (items.length) {
      status.textContent = "People whom those you follow follow:";
      return list.replaceChildren(...items.map((person) => row(person, `${person.common} in common`)));
    }
    const followers = (await app.people.followers()).items;
    status.textContent = followers.length
      ? "People who follow you. Follow some, and people whom they follow are suggested here."
      : "Nobody to suggest yet. Ask your friends for their usernames and enter one above; once you follow somebody, people whom they follow are suggested here.";
    return list.replaceChildren(...followers.map((person) => row(person)));
  };
  suggest().catch((fault) => { status.textContent = inWords(fault); });
  name.focus({ preventScroll: true });
  return () => undefined;
}
