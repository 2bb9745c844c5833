// The page's client rules (docs/protocol.md §1–§3, §8) as values in, values out: `node --test tests/page`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Chats } from "../../clients/web/chats.js";
import { Log, Stream, afterClose, sendAgain, totalOf } from "../../clients/web/rules.js";
import { decode } from "../../clients/web/thumbhash.js";
import { upload } from "../../clients/web/uploads.js";
import { Refusal, inWords } from "../../clients/web/words.js";

const half = () => 0.5;
const event = (c) => ({ c, ev: "message", cid: `cid ${c}` });

test("the band alone says what to do", () => {
  for (const code of [4000, 4001, 4010, 4099, 1000, 1006, 1012, 4999, 5000]) assert.equal(afterClose(code, "", 0, half).do, "resume");
  assert.deepEqual(afterClose(4150, "", 3, half), { do: "resume", afterMs: 5_000 });
  assert.deepEqual(afterClose(4250, "", 0, half), { do: "refresh", afterMs: 0 });
  for (const code of [4300, 4301, 4303, 4304, 4306, 4307, 4399]) assert.equal(afterClose(code, "", 0, half).do, "stop");
});

test("retry_ms of the reason wins over jitter, which is within a second at first and never over thirty", () => {
  assert.equal(afterClose(4001, '{"code":"draining","retry_ms":700}', 0, half).afterMs, 700);
  assert.equal(afterClose(4103, '{"code":"overloaded","retry_ms":900}', 0, half).afterMs, 900);
  assert.ok(afterClose(1006, "", 0, () => 0.999).afterMs <= 1_000);
  assert.ok(afterClose(1006, "", 40, () => 0.999).afterMs <= 30_000);
});

test("4002 names where to go, for the next attempt", () => {
  const moved = afterClose(4002, '{"code":"moved","url":"ws://127.0.0.1:8081/v1/socket"}', 0, half);
  assert.deepEqual(moved, { do: "resume", afterMs: 0, url: "ws://127.0.0.1:8081/v1/socket", moved: true });
});

test("a reason that makes no sense is none", () => {
  for (const reason of ["", "{", "null", "[]", '"x"', '{"url":5}']) assert.equal(afterClose(4002, reason, 0, half).url, undefined);
});

test("final refusals are not sent again, internal three times, the rest for longer", () => {
  for (const code of ["bad_request", "unknown_op", "forbidden", "not_found", "conflict_state", "id_reused", "too_large"]) assert.equal(sendAgain(code, 1), false);
  assert.equal(sendAgain("internal", 2), true);
  assert.equal(sendAgain("internal", 3), false);
  for (const code of ["out_of_order", "rate_limited", "unavailable", "unknown_outcome"]) assert.equal(sendAgain(code, 5), true);
});

test("a stream applies the next number, drops what it knows and sees a gap", () => {
  const stream = new Stream();
  assert.equal(stream.resume, undefined);
  assert.equal(stream.welcome({ epoch: "a", u: 7, outcome: "fresh" }), false);
  assert.deepEqual([8, 8, 3, 10].map((u) => stream.take(u)), ["apply", "drop", "drop", "gap"]);
  assert.deepEqual(stream.resume, { epoch: "a", u: 8 });
});

test("after a resume it counts on from what it has, after a resync from what it is told", () => {
  const stream = new Stream();
  stream.welcome({ epoch: "a", u: 7, outcome: "fresh" });
  assert.equal(stream.welcome({ epoch: "a", u: 9, outcome: "resumed" }), false);
  assert.equal(stream.take(8), "apply");
  assert.equal(stream.welcome({ epoch: "b", u: 2, outcome: "resync" }), true);
  assert.equal(stream.take(3), "apply");
  stream.continuity({ epoch: "c", u: 0 });
  assert.deepEqual(stream.resume, { epoch: "c", u: 0 });
});

test("an ack says the last number and, once, what was stored without one", () => {
  const stream = new Stream();
  stream.welcome({ epoch: "a", u: 4, outcome: "fresh" });
  stream.store("7", 3);
  stream.store("7", 2);
  assert.ok(stream.behind);
  assert.deepEqual(stream.ack(), { op: "ack", epoch: "a", u: 4, heads: { 7: 3 } });
  assert.ok(!stream.behind);
  assert.deepEqual(stream.ack(), { op: "ack", epoch: "a", u: 4 });
});

test("a log applies in order whatever comes first, and each place once", () => {
  const log = new Log(2);
  assert.equal(log.take(event(1)), true);
  assert.equal(log.take(event(5)), false);
  assert.equal(log.take(event(3)), false);
  assert.equal(log.take(event(4)), true);
  assert.equal(log.take(event(4)), true);
  assert.deepEqual(log.events.map((one) => one.c), [3, 4, 5]);
  assert.equal(log.head, 5);
});

test("a total that is some seconds old does not take away what I did myself meanwhile", () => {
  const liked = { at: 1_000, by: 1 }, unliked = { at: 1_000, by: -1 };
  assert.deepEqual([totalOf(1, 0, liked, 3_000), totalOf(1, 2, liked, 3_000), totalOf(1, 0, liked, 20_000)], [1, 2, 0]);
  assert.deepEqual([totalOf(4, 5, unliked, 3_000), totalOf(4, 3, unliked, 3_000), totalOf(4, 5, undefined, 3_000)], [4, 3, 5]);
});

test("older pages go before what is there, without repeats", () => {
  const log = new Log(4);
  log.take(event(5));
  log.older([event(3), event(4), event(5)]);
  log.older([event(1), event(2), event(3)]);
  assert.deepEqual(log.events.map((one) => one.c), [1, 2, 3, 4, 5]);
});

test("a thumbhash becomes a small picture of its shape", () => {
  const bytes = Uint8Array.from(atob("WjYGXZSEd4eAiId4h3eIeIB1B9h3"), (letter) => letter.charCodeAt(0));
  const { width, height, pixels } = decode(bytes);
  assert.deepEqual([width, height, pixels.length], [32, 23, 32 * 23 * 4]);
  // Blue at the left, red at the right, as what it was made of; opaque.
  const [left, right] = [0, 31].map((x) => pixels.slice((11 * 32 + x) * 4, (11 * 32 + x) * 4 + 4));
  assert.ok(left[2] > left[0] && right[0] > left[0] && left[3] === 255);
});

test("an upload whose body came too slowly goes on from where it stands", async () => {
  const had = { fetch: globalThis.fetch, location: globalThis.location };
  const asked = [];
  const answers = [
    new Response(null, { status: 201, headers: { Location: "/v1/uploads/7" } }),
    new Response(JSON.stringify({ code: "bad_request", detail: "the body came too slowly", retry_ms: 1 }), { status: 408 }),
    new Response(null, { status: 200, headers: { "Upload-Offset": "4" } }),
    new Response(null, { status: 204, headers: { "Upload-Offset": "9" } }),
  ];
  globalThis.location = { href: "https://tidings.example/" };
  globalThis.fetch = async (path, { method, headers }) => { asked.push(`${method} ${headers["Upload-Offset"] ?? ""}`); return answers.shift(); };
  try {
    assert.equal(await upload({ token: async () => "token" }, Object.assign(new Blob(["123456789"]), { name: "x" }), () => undefined), "7");
  } finally { Object.assign(globalThis, had); }
  assert.deepEqual(asked, ["POST ", "PATCH 0", "HEAD ", "PATCH 4"]);
});

test("an upload that is tried again goes on from where the server has got, and an empty file is none", async () => {
  const had = { fetch: globalThis.fetch, location: globalThis.location };
  const asked = [];
  const answers = [new Response(null, { status: 200, headers: { "Upload-Offset": "4" } }), new Response(null, { status: 204, headers: { "Upload-Offset": "9" } })];
  globalThis.location = { href: "https://tidings.example/" };
  globalThis.fetch = async (path, { method, headers }) => { asked.push(`${method} ${path} ${headers["Upload-Offset"] ?? ""}`); return answers.shift(); };
  const send = (text, begun) => upload({ token: async () => "token" }, Object.assign(new Blob([text]), { name: "x" }), () => undefined, undefined, begun);
  try {
    assert.equal(await send("123456789", { path: "/v1/uploads/7" }), "7");
    await assert.rejects(send(""), /empty/);
  } finally { Object.assign(globalThis, had); }
  assert.deepEqual(asked, ["HEAD /v1/uploads/7 ", "PATCH /v1/uploads/7 4"]);
});

test("a refusal names the field that it is about", () => {
  assert.equal(new Refusal("conflict_state", "username: this one is taken").field, "username");
  assert.equal(new Refusal("bad_request", "body: Expected `str` of length >= 8 - at `$.password`").field, "password");
  assert.equal(new Refusal("not_found", "there is no such user").field, undefined);
});

test("what is wrong is said without where it is in the request", () => {
  assert.equal(inWords(new Refusal("bad_request", "body: Expected 1 to 30 letters - at `$.username`")), "Expected 1 to 30 letters.");
  assert.equal(inWords(new Refusal("not_found", "there is no such user")), "There is no such user.");
});

// A conversation of which the server is asked by `answer(op, fields)`.
function talking(answer) {
  const chats = new Chats(answer, () => undefined, () => "1", () => undefined);
  const told = { id: "7", folder: "inbox", last_c: 0, read_c: 0, unread: 0, members: [], at: 0 };
  chats.snapshot({ conversations: [told], now: 0 });
  return { chats, told, chat: chats.get("7") };
}

test("words that were refused stay whatever is written meanwhile, and are the same message when they are sent again", async () => {
  const sent = [];
  let refused = true;
  const { chats, chat } = talking(async (op, fields) => { sent.push(fields.cid); if (refused) throw new Refusal("forbidden", "no"); });
  const first = { cid: "first", text: "one" }, second = { cid: "second", text: "two" };
  await Promise.all([chats.write(chat, first), chats.write(chat, second)]);
  assert.deepEqual(chat.sending.map(({ text, refused: { code } }) => [text, code]), [["one", "forbidden"], ["two", "forbidden"]]);
  refused = false;
  await chats.write(chat, first);
  assert.deepEqual(sent, ["first", "second", "first"]);
  await chats.take({ ev: "message", conversation: "7", c: 1, cid: "first", from: "1", text: "one" });
  chats.discard(chat, second);
  assert.deepEqual(chat.sending, []);
});

test("what is being sent while the conversation is told anew does not stay as if it never arrived", async () => {
  let answer;
  const { chats, told, chat } = talking(() => new Promise((done, fail) => { answer = fail; }));
  const sending = chats.send(chat, "one");
  await Promise.resolve();
  chats.snapshot({ conversations: [told], now: 0 });
  answer(new Refusal("forbidden", "no"));
  await assert.rejects(sending, { code: "forbidden" });
  assert.deepEqual(chats.get("7").sending, []);
});

test("a conversation that is opened is read as far as it goes, though nothing of it was told", async () => {
  const events = [event(1), event(2)];
  let told;
  const { chats, told: known } = talking(async (op) => (op === "message.history" ? { events, more: false } : { conversation: { ...told, last_c: 2 } }));
  told = known;
  const chat = await chats.open("2");
  await new Promise(setImmediate);
  assert.equal(chat.log.head, 2);
});
