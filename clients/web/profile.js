// A person with what they posted; of mine, what I saved too.

import { avatar, choice, failed, h, icon, nothing } from "./dom.js";
import { address } from "./pictures.js";
import { placeholder } from "./thumbhash.js";
import { count, inWords } from "./words.js";

const SETS = { posts: "Posts", saved: "Saved" };

export function profileView(app, root, id) {
  const status = h("p", { class: "faint", role: "status" }), mine = id === app.me();
  const head = h("header", { class: "profile" }), shelf = h("div");
  const sets = mine && choice("What to show", SETS, "posts", (other) => put(other));
  root.append(head, status, ...(sets ? [sets] : []), shelf);
  const numbers = h("p", { class: "faint" });
  let hidden, follow;
  // What has the focus keeps it: the numbers alone change.
  const show = (person) => {
    app.people.learn(person);
    hidden = person.private && !mine;
    numbers.textContent = [count(person.posts ?? 0, "post"), count(person.followers ?? 0, "follower"), `${person.following ?? 0} following`].join(" · ");
    if (head.children.length) return;
    if (!mine) follow = followButton(app, id, begin);
    const deeds = mine ? [h("button", { class: "quiet", onclick: app.logOut }, icon("out"), "Log out"), privacy(app, person.private)] : [follow, write(app, id, status)];
    head.append(avatar(id, person.username), h("div", {}, h("h1", {}, person.username), person.name && h("p", { dir: "auto" }, person.name),
      hidden && h("p", { class: "faint" }, icon("lock"), " Private account"), numbers, h("div", { class: "deeds" }, deeds)));
  };
  const refresh = async () => show(await app.people.profile(id));
  const put = (set) => shelf.replaceChildren(...(set === "saved"
    ? grid(app, "/v1/me/saved", "Nothing saved yet. The ribbon under a post keeps it here, for you alone.")
    : grid(app, `/v1/users/${id}/posts`, mine ? "Nothing here yet. Share your first photo." : "No posts yet.")));
  const begin = async () => {
    try {
      await refresh();
      if (hidden && (await app.people.relation(id)).state !== "following") shelf.replaceChildren(nothing("lock", "Their posts are for those who follow them."));
      else put("posts");
    } catch (fault) { failed(status, fault); }
  };
  begin();
  const offs = [
    app.on("posted", () => { refresh().catch(() => undefined); if (sets?.firstChild.ariaPressed !== "false") put("posts"); }),
    // What I asked for was answered.
    app.on("notification", ({ kind, actors }) => { if (kind === "follow_accepted" && actors.includes(id)) { follow?.ask(); begin(); } }),
  ];
  return () => { for (const off of offs) off(); };
}

// Whether I am asked who may follow me.
function privacy(app, on) {
  const box = h("input", { type: "checkbox", checked: Boolean(on), "aria-describedby": "privacy" });
  box.addEventListener("change", async () => {
    const wanted = box.checked;
    box.disabled = true;
    try { await app.people.setPrivate(wanted); } catch (fault) { box.checked = !wanted; app.toast(inWords(fault)); }
    box.disabled = false;
    box.focus();
  });
  return h("label", { class: "check" }, box, h("span", {}, "Private account", h("small", { class: "faint", id: "privacy" }, "People ask before they follow you. Turning this off lets in everybody who waits.")));
}

// Small squares of a list of posts, and a button when it goes on.
function grid(app, path, none) {
  const squares = h("div", { class: "grid" }), status = h("p", { class: "faint", role: "status" }), more = h("button", { class: "quiet more", hidden: true, onclick: () => page() }, "Show more");
  let next;
  const page = async () => {
    more.disabled = true;
    try {
      const told = await app.api.call("GET", `${path}?limit=30${next ? `&before=${encodeURIComponent(next)}` : ""}`);
      squares.append(...told.items.filter((post) => post.media.length).map(square));
      next = told.next;
      status.replaceChildren(...(squares.children.length || next ? [] : [nothing("photos", none)]));
    } catch (fault) { failed(status, fault); }
    more.hidden = !next;
    more.disabled = false;
  };
  page();
  return [status, squares, more];
}

function square(post) {
  const [{ thumbhash, ...media }] = post.media;
  const image = h("img", { src: address(media, 320), alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.remove());
  return h("a", { href: `#/p/${post.id}`, "aria-label": post.caption || `Photo by ${post.author.username}` }, thumbhash && placeholder(thumbhash), image, post.media.length > 1 && icon("photos"));
}

/** Follow, or follow no more; `then` is called when that has changed, `whom` told to who does not see beside whom it stands. `button.ask()` looks how it stands. */
export function followButton(app, user, then = () => undefined, whom = undefined) {
  const button = h("button", { disabled: true }, "Follow");
  const WORDS = { none: "Follow", following: "Following", requested: "Requested" };
  let state;
  const show = (relation) => {
    state = relation.state;
    button.textContent = WORDS[state] ?? state;
    if (whom) button.setAttribute("aria-label", `${button.textContent} ${whom}`);
    button.classList.toggle("quiet", state !== "none");
    button.disabled = false;
    button.setAttribute("aria-pressed", String(state !== "none"));
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    try { show(await app.people.follow(user, state === "none")); app.emit("followed"); then(); } catch (fault) { button.disabled = false; app.toast(inWords(fault)); }
  });
  button.ask = () => app.people.relation(user).then(show, (fault) => { button.title = inWords(fault); });
  button.ask();
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
  let left = false;
  app.people.called(name).then((person) => { if (left) return; status.remove(); end = profileView(app, root, person.id); }, (fault) => failed(status, fault));
  return () => { left = true; end(); };
}
