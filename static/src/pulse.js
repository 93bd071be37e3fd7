/** Whether the other side still lives, judged by the clock alone. Pure. protocol.md: Heartbeat, slow clients, drain. */

const PROBE_MS = 3_000;
const GRACE_MS = 10_000;

export class Pulse {
  /** How often the server is heard at least, in milliseconds; `session.opened` says it. */
  intervalMs = 25_000;
  /** @type {number | null} when an answer was asked for after sleep */
  probeSince = null;
  pinged = false;

  /** @param {number} now */
  constructor(now) {
    this.heardAt = now;
  }

  /** A connection begins, or a frame came: all is well. @param {number} now */
  begin(now) {
    this.heardAt = now;
    this.pinged = false;
    this.probeSince = null;
  }

  /** Ask for a sign of life within 3 s; gives whether a ping is due (one is enough). @param {number} now */
  probe(now) {
    if (this.probeSince !== null) return false;
    this.probeSince = now;
    return true;
  }

  /**
   * `probe`: no answer in 3 s. `silence`: nothing for the interval and 10 s. `quiet`: a ping is due, once.
   * null: alive.
   * @param {number} now
   * @returns {"probe" | "silence" | "quiet" | null}
   */
  check(now) {
    const silentMs = now - this.heardAt;
    if (this.probeSince !== null && now - this.probeSince >= PROBE_MS) return "probe";
    if (silentMs >= this.intervalMs + GRACE_MS) return "silence";
    if (silentMs < this.intervalMs || this.pinged) return null;
    this.pinged = true;
    return "quiet";
  }
}
