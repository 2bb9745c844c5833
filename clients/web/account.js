// Signing up and in.

import { h } from "./dom.js";
import { inWords } from "./words.js";

const RULE = "Letters from a to z, digits, dots and underscores.";

export function accountView(app, root, words = "") {
  const status = h("p", { class: "alert", role: "alert" }, words);
  const username = h("input", { id: "username", name: "username", required: true, maxlength: 30, pattern: "[A-Za-z0-9._]+", title: RULE, autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { id: "password", name: "password", type: "password", required: true, minlength: 8, "aria-describedby": "rule", autocomplete: "current-password" });
  const signUp = h("button", { type: "submit", name: "up", class: "primary" }, "Sign up"), logIn = h("button", { type: "submit", name: "in", class: "quiet" }, "Log in");
  const form = h("form", { class: "card account" }, h("h1", {}, "Tidings"), h("p", { class: "faint" }, "Photos and messages, live."), status,
    h("label", { for: "username" }, "Username"), username, h("label", { for: "password" }, "Password"), password,
    h("p", { class: "faint", id: "rule" }, "At least 8 characters."), h("div", { class: "deeds" }, signUp, logIn));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const up = event.submitter !== logIn;
    signUp.disabled = logIn.disabled = true;
    status.textContent = "";
    try {
      await app.api[up ? "signUp" : "logIn"](username.value.trim(), password.value);
      app.begin();
    } catch (fault) {
      status.textContent = fault.code === "conflict_state" ? "Somebody has this name. Choose another one, or log in." : inWords(fault);
      signUp.disabled = logIn.disabled = false;
    }
  });
  root.append(form);
  username.focus();
  return () => undefined;
}
