// Pictures in boxes of their own shape, with their thumbhash behind them, and several of one post side by side.

import { h, icon } from "./dom.js";
import { placeholder } from "./thumbhash.js";

const WIDTHS = [320, 640, 1080];

/** Where a variant of a picture is. */
export function address(media, variant) { return media.url.replace("{variant}", variant); }

/** A picture in a box of its shape, at most 5:4 high; `sizes` says how wide it is shown (HTML, img sizes). */
export function picture(media, alt, sizes = "(min-width: 42rem) 38rem, calc(100vw - 2rem)") {
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

/** All pictures of a post: one, or a row that one swipes, scrolls by the keyboard, or steps through. */
export function pictures(all, by) {
  if (all.length === 1) return picture(all[0], `Photo by ${by}`);
  const boxes = all.map((media, at) => picture(media, `Photo ${at + 1} of ${all.length} by ${by}`));
  // One shape for all, so that nothing below moves.
  for (const box of boxes) box.style.aspectRatio = boxes[0].style.aspectRatio;
  const strip = h("div", { class: "strip", tabindex: 0, role: "group", "aria-label": `${all.length} photos` }, boxes);
  const step = (by) => strip.scrollTo({ left: (at + by) * strip.clientWidth });
  const back = h("button", { class: "round step back", "aria-label": "Previous photo", onclick: () => step(-1) }, icon("back"));
  const next = h("button", { class: "round step next", "aria-label": "Next photo", onclick: () => step(1) }, icon("next"));
  const place = h("span", { class: "place", "aria-hidden": "true" }), dots = h("span", { class: "dots", "aria-hidden": "true" }, boxes.map(() => h("i")));
  let at;
  const show = () => {
    const now = strip.clientWidth ? Math.round(strip.scrollLeft / strip.clientWidth) : 0;
    if (now === at) return;
    at = now;
    place.textContent = `${at + 1}/${all.length}`;
    // Not disabled: that would take the focus from who steps.
    back.classList.toggle("over", at === 0);
    next.classList.toggle("over", at === all.length - 1);
    [...dots.children].forEach((dot, number) => dot.classList.toggle("now", number === at));
  };
  strip.addEventListener("scroll", show, { passive: true });
  show();
  return h("div", { class: "carousel" }, strip, back, next, place, dots);
}
