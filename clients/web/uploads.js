// Uploading a file by tus 1.0 (tus.io/protocols/resumable-upload): created, then sent in pieces, going on where it was.

import { newCid, reach, refusalOf } from "./api.js";
import { Refusal } from "./words.js";

const PIECE = 512 * 1024, TRIES = 6;
const VERSION = { "Tus-Resumable": "1.0.0" };

/**
 * Upload `file`; `progress(share)` is told 0…1. Answers the id under which it is a media. Raises Refusal; once `aborted`, its reason.
 * `begun.path` is where it was created: given again, the upload goes on from where the server has got.
 */
export async function upload(api, file, progress, aborted, begun = {}) {
  if (!file.size) throw new Refusal("bad_request", "This file is empty.");
  let offset = begun.path ? await reached(api, begun.path, 0) : 0, tries = 0;
  begun.path ??= await create(api, file);
  const { path } = begun;
  while (offset < file.size) {
    if (aborted?.aborted) {
      ask(api, "DELETE", path).catch(() => undefined);
      aborted.throwIfAborted();
    }
    try {
      const sent = await ask(api, "PATCH", path, {
        "Upload-Offset": String(offset),
        "Content-Type": "application/offset+octet-stream",
      }, file.slice(offset, offset + PIECE));
      offset = Number(sent.headers.get("Upload-Offset"));
      tries = 0;
    } catch (fault) {
      if ((tries += 1) >= TRIES || isFinal(fault)) throw fault;
      await new Promise((done) => setTimeout(done, fault.retryMs ?? Math.random() * 500 * 2 ** tries));
      offset = await reached(api, path, offset);
    }
    progress(offset / file.size);
  }
  return path.split("/").pop();
}

async function create(api, file) {
  const created = await ask(api, "POST", "/v1/uploads", {
    "Upload-Length": String(file.size),
    "Upload-Metadata": `filename ${base64(file.name)},filetype ${base64(file.type || "application/octet-stream")},cid ${base64(newCid())}`,
  });
  return new URL(created.headers.get("Location"), location.href).pathname;
}

// Where the server has got: a lost answer, or another offset than we thought, is mended by asking.
async function reached(api, path, offset) {
  try { return Number((await ask(api, "HEAD", path)).headers.get("Upload-Offset")); } catch (fault) {
    if (isFinal(fault)) throw fault;
    return offset;
  }
}

function isFinal(fault) { return fault instanceof Refusal && ["bad_request", "forbidden", "not_found", "too_large"].includes(fault.code); }

async function ask(api, method, path, headers = {}, body = undefined) {
  for (let again = true; ; again = false) {
    const authorization = { Authorization: `Bearer ${await api.token()}` };
    const response = await reach(path, { method, headers: { ...VERSION, ...authorization, ...headers }, body });
    if (response.ok) return response;
    const fault = refusalOf(response, await response.json().catch(() => ({})));
    // It came too slowly: what came counts.
    if (response.status === 408) fault.code = "unavailable";
    if (fault.code !== "unauthenticated" || !again) throw fault;
    await api.refresh();
  }
}

function base64(text) { return btoa(String.fromCharCode(...new TextEncoder().encode(text))); }
