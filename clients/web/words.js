// What went wrong, in words.

/** A request that was refused: `code` is one of docs/protocol.md §2, or "unreached". */
export class Refusal extends Error {
  constructor(code, message, retryMs) { super(message); this.code = code; this.retryMs = retryMs; }

  /** What it is about, where the message names it: "username: …", or "… at `$.username`". */
  get field() { return (/at `\$\.(\w+)`/.exec(this.message) ?? /^([\w-]+): /.exec(this.message))?.[1]; }

  /** Whether the server could not be asked, or could not answer: another time it may. */
  get passes() { return ["unreached", "unavailable", "internal", "unknown_outcome"].includes(this.code); }
}

const BY_CODE = {
  rate_limited: "That was too much at once. Wait a moment and try again.",
  too_large: "This is larger than may be sent.",
  unreached: "The server cannot be reached. Is your connection up?",
  unavailable: "The server cannot do this now. Try again in a moment.",
  unknown_outcome: "It is not known whether this was done. Look, and try again if not.",
  internal: "The server failed to do this. Try again.",
};

const BY_CLOSE = {
  4303: "Your sign-in is not valid any more. Sign in again.",
  4304: "You were signed out.",
  4306: "This page is too old for the server. Load it again.",
  4307: "This page and the server misunderstood each other. Load it again.",
};

/** A sentence for somebody who is not a programmer. */
export function inWords(fault) {
  if (!(fault instanceof Refusal)) {
    console.error(fault);
    return "Something on this page failed. Load it again.";
  }
  return BY_CODE[fault.code] ?? sentence(fault.message);
}

export function closingWords(code) { return BY_CLOSE[code] ?? "The connection has ended. Load the page again."; }

// Without where in the request it is: that is said to programs.
function sentence(said) {
  const text = said.replace(/^(body|path|query): /, "").replace(/ - at `[^`]*`$/, "");
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** "now", "5 min", "3 h", "2 d": how long ago. */
export function ago(at, now = Date.now()) {
  const minutes = Math.floor(Math.max(0, now - at) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1_440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} d`;
}

/** "1 like", "12 likes". */
export function count(number, one) { return `${number.toLocaleString()} ${one}${number === 1 ? "" : "s"}`; }
