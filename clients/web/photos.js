// The photos that somebody chose, in order: shown at once, uploaded one after the other while one writes.

import { h, icon } from "./dom.js";
import { sendAgain } from "./rules.js";
import { upload } from "./uploads.js";
import { inWords } from "./words.js";

const STATES = { received: "Received", processing: "Making the sizes…", ready: "Ready", rejected: "This picture cannot be shown: choose another one." };

export class Photos {
  #all = []; #turn = Promise.resolve(); #states = new Map();

  /** `changed()` is called when there are others, or one of them got further. */
  constructor(api, most, changed) { Object.assign(this, { api, most, changed, list: h("ul", { class: "photos" }) }); }

  get count() { return this.#all.length; }

  /** The media of all of them; undefined while one is missing or cannot be shown. */
  get media() { return this.#all.length && this.#all.every((photo) => photo.media && !photo.failed) ? this.#all.map((photo) => photo.media) : undefined; }

  /** Take files, as many as fit; false: some did not. With room for one alone, a new one replaces it. */
  add(files) {
    if (this.most === 1 && files.length) for (const photo of [...this.#all]) this.#drop(photo);
    const room = this.most - this.#all.length;
    for (const file of files.slice(0, room)) this.#take(file);
    this.changed();
    return files.length <= room;
  }

  /** The live event of an upload, which may come before the answer that names it. */
  told({ upload: id, state }) {
    this.#states.set(id, state);
    const photo = this.#all.find(({ media }) => media === id);
    if (photo) { this.#reached(photo, state); this.changed(); }
  }

  end() { for (const photo of this.#all) this.#forget(photo); }

  #take(file) {
    const photo = { file, begun: {}, url: URL.createObjectURL(file), gone: new AbortController(), bar: h("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` }), words: h("p", { class: "faint", role: "status" }, "Waiting…") };
    const image = h("img", { src: photo.url, alt: file.name });
    image.addEventListener("error", () => image.replaceWith(h("span", { class: "file" }, file.name)));
    const again = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#send(photo) }, "Try again");
    Object.assign(photo, { again, element: h("li", {}, h("div", { class: "thumb" }, image,
      h("button", { type: "button", class: "round", "aria-label": `Remove ${file.name}`, onclick: () => { this.#drop(photo); this.changed(); } }, icon("close"))), photo.bar, photo.words, again) });
    this.#all.push(photo);
    this.list.append(photo.element);
    this.#send(photo);
  }

  #send(photo) {
    Object.assign(photo, { failed: false });
    photo.words.classList.remove("alert");
    photo.again.hidden = true;
    photo.bar.hidden = false;
    this.#turn = this.#turn.then(() => this.#upload(photo));
  }

  async #upload(photo) {
    const { signal } = photo.gone;
    if (signal.aborted) return;
    const progress = (part) => { photo.bar.value = part; photo.words.textContent = `Uploading… ${Math.round(part * 100)} %`; };
    progress(0);
    try {
      photo.media = await upload(this.api, photo.file, progress, signal, photo.begun);
      this.#reached(photo, this.#states.get(photo.media) ?? "received");
    } catch (fault) {
      if (signal.aborted) return;
      Object.assign(photo, { failed: true });
      photo.words.textContent = inWords(fault);
      photo.words.classList.add("alert");
      photo.again.hidden = !sendAgain(fault.code, 0);
    }
    photo.bar.hidden = true;
    this.changed();
  }

  #reached(photo, state) {
    photo.failed = state === "rejected";
    photo.words.textContent = STATES[state] ?? state;
  }

  #drop(photo) {
    this.#forget(photo);
    this.#all.splice(this.#all.indexOf(photo), 1);
    photo.element.remove();
  }

  #forget(photo) {
    photo.gone.abort();
    URL.revokeObjectURL(photo.url);
  }
}
