// A person with what they posted; of mine, what I saved too.

import { avatar, choice, h, icon, nothing } from "./dom.js";
import { address } from "./pictures.js";
import { placeholder } from "./thumbhash.js";
import { count, inWords } from "./words.js";

const SETS = { posts: "Posts", saved: "Saved" };

export function profileView(app, root, id) {
  const status = h("p", { class: "faint", role: "status" }), mine = id === app.me();
  const head = h("header", { class: "profile" }), shelf = h("div");
  const sets = mine && choice("What to show", SETS, "posts", (other) => put(other));
  root.append(head, status, ...(sets ? [sets] : []), shelf);
  const show = (person) => {
    app.people.learn(person);
    head.replaceChildren(avatar(person.id, person.username),
      h("div", {}, h("h1", {}, person.username), person.name ? h("p", { dir: "auto" }, person.name) : "",
        h("p", { class: "faint" }, [count(person.posts ?? 0, "post"), count(person.followers ?? 0, "follower"), `${person.following ?? 0} following`].join(" · ")),
        h("div", { class: "deeds" }, mine ? h("button", { class: "quiet", onclick: app.logOut }, icon("out"), "Log out") : [followButton(app, person.id, refresh), write(app, person.id, status)])));
  };
  const refresh = () => app.people.profile(id).then(show, (fault) => { status.textContent = inWords(fault); throw fault; });
  const put = (set) => shelf.replaceChildren(...(set === "saved"
    ? grid(app, "/v1/me/saved", "Nothing saved yet. The ribbon under a post keeps it here, for you alone.")
    : grid(app, `/v1/users/${id}/posts`, mine ? "Nothing here yet. Share your first photo." : "No posts yet.")));
  refresh().then(() => put("posts"), () => undefined);
  return app.on("posted", () => { refresh().catch(() => undefined); if (sets?.firstChild.ariaPressed !== "false") put("posts"); });
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
    } catch (fault) { status.textContent = inWords(fault); }
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
    try { show(await app.people.follow(user, state === "none")); app.emit("followed"); then(); } catch (fault) { button.disabled = false; app.toast(inWords(fault)); }
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
