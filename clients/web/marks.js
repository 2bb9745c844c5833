// What I do to a thing with one press, and undo with another: likes and saves.

import { h, icon, toast } from "./dom.js";
import { inWords } from "./words.js";

/**
 * A button for `thing[mark]` at `path` (PUT, DELETE): right at once, and as it was when it is refused. `total` names the
 * count that goes with it, `changed` is called with what is other now.
 */
export function markButton(app, thing, { mark, total, path, sign, label }, changed) {
  const button = h("button", { class: `quiet round mark ${mark}`, "aria-label": label, onclick: () => toggle() }, icon(sign));
  let asking = false;
  const show = () => { button.setAttribute("aria-pressed", String(Boolean(thing[mark]))); changed(); };
  const put = (on) => {
    thing[mark] = on;
    if (total) thing[total] = Math.max(0, (thing[total] ?? 0) + (on ? 1 : -1));
    show();
  };
  const toggle = async () => {
    if (asking) return;
    asking = true;
    const on = !thing[mark];
    put(on);
    try { Object.assign(thing, await app.api.call(on ? "PUT" : "DELETE", path)); show(); } catch (fault) { put(!on); toast(inWords(fault)); }
    asking = false;
  };
  button.setAttribute("aria-pressed", String(Boolean(thing[mark])));
  return button;
}
