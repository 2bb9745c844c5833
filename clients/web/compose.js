// Sharing a photo: it is sent while one writes the caption, and shown once the server has made its sizes.

import { newCid } from "./api.js";
import { dialog, h, toast } from "./dom.js";
import { upload } from "./uploads.js";
import { inWords } from "./words.js";

const STATES = { received: "Received", processing: "Making the sizes…", ready: "Ready", rejected: "This picture cannot be shown: choose another one." };

export function compose(app, kind = "post") {
  const file = h("input", { type: "file", accept: "image/*", id: "photo", class: "unseen" });
  const choose = h("label", { for: "photo", class: "drop" }, h("strong", {}, "Choose a photo"), h("span", { class: "faint" }, "JPEG, PNG, WebP, HEIC…"));
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" }), status = h("p", { class: "faint", role: "status" });
  const caption = h("textarea", { name: "caption", maxlength: 2200, rows: 2, "aria-label": "Caption", placeholder: "Write a caption…" });
  const audience = h("select", { name: "audience", "aria-label": "Who sees it" }, h("option", { value: "all" }, "Everybody who may see me"), h("option", { value: "close_friends" }, "Close friends"));
  const share = h("button", { class: "primary", disabled: true }, kind === "post" ? "Share" : "Share story");
  const form = h("form", { class: "compose" }, choose, file, bar, status, kind === "post" ? caption : audience, share);
  const element = dialog(kind === "post" ? "New post" : "New story", "sheet", h("h2", {}, kind === "post" ? "New post" : "New story"), form);
  const cid = newCid();
  let media, sending, preview;

  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    sending?.abort();
    const mine = (sending = new AbortController());
    media = undefined;
    share.disabled = true;
    if (preview) URL.revokeObjectURL(preview);
    preview = URL.createObjectURL(chosen);
    const image = h("img", { src: preview, alt: "The photo you chose", class: "chosen" });
    image.addEventListener("error", () => image.replaceWith(h("strong", {}, chosen.name)));
    choose.replaceChildren(image);
    bar.hidden = false;
    bar.value = 0;
    status.textContent = "Uploading…";
    try {
      const id = await upload(app.api, chosen, (part) => { bar.value = part; status.textContent = `Uploading… ${Math.round(part * 100)} %`; }, mine.signal);
      if (mine !== sending) return;
      media = id;
      bar.hidden = true;
      status.textContent = states.get(media) ?? "Uploaded";
      share.disabled = false;
    } catch (fault) { if (!mine.signal.aborted) { bar.hidden = true; status.textContent = inWords(fault); } }
  });
  // The event may be here before the answer that names the upload.
  const states = new Map();
  const off = app.on("upload", ({ upload: id, state }) => {
    if (state !== "received") states.set(id, STATES[state] ?? state);
    if (id !== media) return;
    status.textContent = STATES[state] ?? state;
    if (state === "rejected") share.disabled = true;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!media) return;
    share.disabled = true;
    const words = caption.value.trim();
    const body = kind === "post" ? { cid, media: [media], ...(words && { caption: words }) } : { cid, media, audience: audience.value };
    try {
      const made = await app.api.call("POST", kind === "post" ? "/v1/posts" : "/v1/stories", body);
      element.close();
      toast(made.state === "processing" ? "Shared: it appears as soon as its sizes are made." : "Shared.");
      app.shared(kind, made, media);
    } catch (fault) { share.disabled = false; status.textContent = inWords(fault); }
  });
  element.addEventListener("close", () => { sending?.abort(); off(); if (preview) URL.revokeObjectURL(preview); });
}
