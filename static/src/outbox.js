/**
 * Messages that the user has sent and the log has not confirmed for good. They leave one at a time, in
 * order, with the cid that they were born with, so that sending one again never makes a second turn. Pure.
 *
 * @typedef {object} Outgoing
 * @property {string} cid
 * @property {string} text
 * @property {string} [agent]
 * @property {number} createdAt Unix milliseconds
 * @property {"waiting" | "sent" | "accepted" | "refused"} state
 * @property {number} [retryAt] waiting: not before (Unix milliseconds)
 * @property {number} [acceptedAt]
 * @property {string} [turnId] accepted: the turn that answers it
 * @property {number} [failures] retryable errors so far
 * @property {{ code: string, message: string }} [error] refused: why
 */

/** How long an accepted message is kept for a log that came back shorter (protocol.md, What holds, 8). */
const KEEP_MS = 60_000;

/** The server remembers a cid for 24 h; what is older is not sent by itself, for it could be answered twice. */
const RESEND_MS = 23 * 3_600_000;

const LONGEST_RETRY_MS = 30_000;

export class Outbox {
  /** @param {Outgoing[]} saved what another life of the page left */
  constructor(saved, /** @type {number} */ now) {
    /** @type {Outgoing[]} */
    this.items = saved
      .toSorted((a, b) => a.createdAt - b.createdAt)
      .map((item) => (now - item.createdAt > RESEND_MS && item.state !== "accepted" ? expired(item) : { ...item }));
  }

  /** @param {Outgoing} item */
  add(item) {
    this.items.push(item);
  }

  /** @param {string} cid */
  find(cid) {
    return this.items.find((item) => item.cid === cid);
  }

  /** @param {string} cid */
  remove(cid) {
    this.items = this.items.filter((item) => item.cid !== cid);
  }

  /** What was accepted need not be sent again. */
  dropAccepted() {
    this.items = this.items.filter((item) => item.state !== "accepted");
  }

  /** The connection is another: whatever had no answer goes again. */
  rewind() {
    for (const item of this.items) {
      if (item.state === "sent") item.state = "waiting";
      delete item.retryAt;
    }
  }

  /**
   * The next message to send, or undefined: nothing waits, one is under way, or it is not time yet.
   * @param {number} now
   */
  next(now) {
    if (this.items.some((item) => item.state === "sent")) return undefined;
    const first = this.items.find((item) => item.state === "waiting");
    return first !== undefined && (first.retryAt ?? 0) <= now ? first : undefined;
  }

  /** @param {Outgoing} item @param {string} turnId @param {number} now */
  accept(item, turnId, now) {
    item.state = "accepted";
    item.acceptedAt = now;
    item.turnId = turnId;
  }

  /** @param {Outgoing} item @param {number | undefined} retryAfterMs @param {number} now */
  postpone(item, retryAfterMs, now) {
    item.failures = (item.failures ?? 0) + 1;
    item.state = "waiting";
    item.retryAt = now + (retryAfterMs ?? Math.min(LONGEST_RETRY_MS, 500 * 2 ** Math.min(item.failures, 8)));
  }

  /** @param {Outgoing} item @param {{ code: string, message: string }} error */
  refuse(item, error) {
    item.state = "refused";
    item.error = { code: error.code, message: error.message };
  }

  /**
   * A log began anew: accepted messages that it does not have are sent again, with the same cid.
   * @param {Set<string>} present the `re` of all messages in the new snapshot
   * @param {number} now
   */
  repair(present, now) {
    for (const item of this.items) {
      const fresh = now - (item.acceptedAt ?? 0) <= KEEP_MS;
      if (item.state === "accepted" && fresh && !present.has(item.cid)) item.state = "waiting";
    }
  }

  /**
   * Drop what was accepted long ago. Gives whether something was dropped.
   * @param {number} now
   */
  expire(now) {
    const before = this.items.length;
    this.items = this.items.filter((item) => item.state !== "accepted" || now - (item.acceptedAt ?? 0) <= KEEP_MS);
    return this.items.length !== before;
  }
}

/** @param {Outgoing} item @returns {Outgoing} */
function expired(item) {
  return { ...item, state: "refused", error: { code: "expired", message: "" } };
}
