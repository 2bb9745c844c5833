// Sharing photos: they are sent while one writes the caption, and shown once the server has made their sizes.

import { newCid } from "./api.js";
import { dialog, h, icon, toast } from "./dom.js";
import { Photos } from "./photos.js";
import { inWords } from "./words.js";

const MOST = 10;

export function compose(app, kind = "post") {
  const most = kind === "post" ? MOST : 1, title = kind === "post" ? "New post" : "New story";
  const file = h("input", { type: "file", accept: "image/*", multiple: most > 1, "aria-label": most > 1 ? "Choose photos" : "Choose a photo" });
  const choose = h("strong"), status = h("p", { class: "alert", role: "alert" });
  // The field lies over all of it, so that files can be dropped there, too.
  const drop = h("div", { class: "drop" }, icon("photos"), choose, h("span", { class: "faint" }, most > 1 ? "Up to 10. JPEG, PNG, WebP, HEIC…" : "JPEG, PNG, WebP, HEIC…"), file);
  const caption = h("textarea", { name: "caption", maxlength: 2200, rows: 2, dir: "auto", "aria-label": "Caption", placeholder: "Write a caption…" });
  const audience = h("select", { name: "audience", "aria-label": "Who sees it" }, h("option", { value: "all" }, "Everybody who may see me"), h("option", { value: "close_friends" }, "Close friends"));
  const share = h("button", { class: "primary" }, kind === "post" ? "Share" : "Share story");
  let sharing = false;
  const show = () => {
    share.disabled = sharing || !photos.media;
    choose.textContent = most === 1 ? (photos.count ? "Choose another photo" : "Choose a photo") : photos.count ? "Add more photos" : "Choose photos";
    drop.hidden = most > 1 && photos.count >= most;
    drop.classList.toggle("small", photos.count > 0);
  };
  const photos = new Photos(app.api, most, show);
  const form = h("form", { class: "compose" }, photos.list, drop, kind === "post" ? caption : audience, status, share);
  const element = dialog(title, "sheet kept", h("h2", {}, title), form), cid = newCid();
  const off = app.on("upload", (event) => photos.told(event));
  show();

  file.addEventListener("change", () => {
    status.textContent = photos.add([...file.files]) ? "" : `A post has at most ${MOST} photos.`;
    file.value = "";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { media } = photos, words = caption.value.trim();
    if (!media) return;
    sharing = true;
    show();
    const body = kind === "post" ? { cid, media, ...(words && { caption: words }) } : { cid, media: media[0], audience: audience.value };
    try {
      const made = await app.api.call("POST", kind === "post" ? "/v1/posts" : "/v1/stories", body);
      element.close();
      toast(made.state === "processing" ? "Shared: it appears as soon as its sizes are made." : "Shared.");
      app.shared(kind, made);
    } catch (fault) { status.textContent = inWords(fault); }
    sharing = false;
    show();
  });
  element.addEventListener("close", () => { off(); photos.end(); });
}
