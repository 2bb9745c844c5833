// What a message shares, as a small picture: the post, or the story that is replied or reacted to.

import { h } from "./dom.js";
import { address } from "./pictures.js";
import { placeholder } from "./thumbhash.js";

const PATHS = { post: "/v1/posts/", story: "/v1/stories/" }, OVER = { post: "The post is gone.", story: "The story is over." };

/** An element that shows it once it is here; undefined of what has no picture. */
export function quote(app, { kind, id }) {
  if (!PATHS[kind]) return undefined;
  // Its room is kept from the beginning: nothing moves when it comes.
  const box = h("span", { class: "quote" }), without = (words) => { box.className = "faint"; box.textContent = words; };
  app.api.call("GET", PATHS[kind] + id).then(({ media }) => {
    const one = [media].flat()[0];
    if (!one) { without(OVER[kind]); return; }
    const image = h("img", { src: address(one, 320), alt: kind === "story" ? "The story" : "The post", loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => image.remove());
    box.append(...[one.thumbhash && placeholder(one.thumbhash), image].filter(Boolean));
  }, (fault) => without(fault.code === "not_found" ? OVER[kind] : ""));
  return box;
}
