// What I do to a thing with one press, and undo with another: likes and saves.

import { h, icon, toast } from "./dom.js";
import { totalOf } from "./rules.js";
import { inWords } from "./words.js";

/** Change a total of `thing` by what I did. */
export function change(thing, total, by) {
  thing[total] = Math.max(0, (thing[total] ?? 0) + by);
  thing.own = { ...thing.own, [total]: { at: Date.now(), by } };
}

/** Take totals as they are told. */
export function take(thing, totals) {
  for (const [total, told] of Object.entries(totals)) thing[total] = totalOf(thing[total], told, thing.own?.[total], Date.now());
}

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
    if (total) change(thing, total, on ? 1 : -1);
    show();
  };
  const toggle = async () => {
    if (asking) return;
    asking = true;
    const on = !thing[mark];
    put(on);
    try {
      // How many comments there are is told live, too.
      const { comments, ...told } = await app.api.call(on ? "PUT" : "DELETE", path);
      Object.assign(thing, told);
      show();
    } catch (fault) { put(!on); toast(inWords(fault)); }
    asking = false;
  };
  button.setAttribute("aria-pressed", String(Boolean(thing[mark])));
  return button;
}
