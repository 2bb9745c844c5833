// Signing up and in.

import { h } from "./dom.js";
import { inWords } from "./words.js";

const RULE = "Letters from a to z, digits, dots and underscores.";

export function accountView(app, root, words = "") {
  const status = h("p", { class: "alert", role: "alert" }, words), amiss = { username: fault("username"), password: fault("password") };
  const username = h("input", { id: "username", name: "username", required: true, maxlength: 30, pattern: "[A-Za-z0-9._]+", title: RULE, autocomplete: "username", autocapitalize: "none", spellcheck: "false", "aria-describedby": "username-fault" });
  const password = h("input", { id: "password", name: "password", type: "password", required: true, minlength: 8, "aria-describedby": "password-fault rule", autocomplete: "current-password" });
  const signUp = h("button", { type: "submit", name: "up", class: "primary" }, "Sign up"), logIn = h("button", { type: "submit", name: "in", class: "quiet" }, "Log in");
  const form = h("form", { class: "card account" }, h("h1", {}, "Tidings"), h("p", { class: "faint" }, "Photos and messages, live."), status,
    h("label", { for: "username" }, "Username"), username, amiss.username, h("label", { for: "password" }, "Password"), password, amiss.password,
    h("p", { class: "faint", id: "rule" }, "At least 8 characters."), h("div", { class: "deeds" }, signUp, logIn));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const up = event.submitter !== logIn;
    if (signUp.disabled) return;
    signUp.disabled = logIn.disabled = true;
    for (const line of [status, ...Object.values(amiss)]) line.textContent = "";
    for (const field of [username, password]) field.removeAttribute("aria-invalid");
    try {
      await app.api[up ? "signUp" : "logIn"](username.value.trim(), password.value);
      app.begin();
    } catch (fault) {
      const field = { username, password }[fault.code === "unauthenticated" ? "password" : fault.field];
      (field ? amiss[field.name] : status).textContent = fault.code === "conflict_state" ? "Somebody has this name. Choose another one, or log in." : inWords(fault);
      signUp.disabled = logIn.disabled = false;
      field?.setAttribute("aria-invalid", "true");
      field?.focus();
    }
  });
  root.append(form);
  username.focus();
  return () => undefined;
}

// What is wrong with a field, next to it.
function fault(field) { return h("p", { class: "alert", role: "alert", id: `${field}-fault` }); }
