/** When to come back after a connection ended, and after how long. Pure. protocol.md: Heartbeat, slow clients, drain. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;
const OVERLOAD_MS = 5_000;

/**
 * @typedef {"unauthorized" | "forbidden" | "erased" | "connections" | "frames" | "ended"} StopReason
 * @typedef {{ again: true, leastMs: number } | { again: false, reason: StopReason }} Verdict
 */

/** @type {Record<number, StopReason>} */
const STOPS = {
  1000: "ended",
  1002: "frames",
  1003: "frames",
  1007: "frames",
  1008: "forbidden",
  3000: "unauthorized",
  3003: "forbidden",
  4500: "frames",
  4501: "unauthorized",
  4502: "ended",
  4503: "forbidden",
  4504: "erased",
  4506: "connections",
};

/** Codes that say "too many": 1013 try again later, 4008 rate limited. */
const OVERLOADS = new Set([1013, 4008]);

/**
 * Whether a close code lets the client come back by itself. Unknown codes do, but for the range 4500-4999.
 * @param {number} code
 * @returns {Verdict}
 */
export function verdictOn(code) {
  const reason = STOPS[code];
  if (reason !== undefined) return { again: false, reason };
  if (code >= 4500 && code <= 4999) return { again: false, reason: "ended" };
  return { again: true, leastMs: OVERLOADS.has(code) ? OVERLOAD_MS : 0 };
}

/**
 * Full jitter: anything from 0.5 s to the cap, which doubles with each failed attempt up to 30 s. For ever.
 * @param {number} attempt 0 for the first
 * @param {() => number} random from 0 to 1
 */
export function reconnectDelayMs(attempt, random) {
  const capMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt + 1, 10));
  return FIRST_MS + random() * (capMs - FIRST_MS);
}
