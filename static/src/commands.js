/** Commands that wait for their answer, by cid. All but pages of history are sent again after a reconnect. Pure. */

/** @typedef {import("./protocol.js").Frame} Frame */

export class Commands {
  constructor() {
    /** @type {Map<string, Frame>} */
    this.waiting = new Map();
    /** Approvals whose answers are under way, or were taken and the log has not said so yet. @type {Set<string>} */
    this.answered = new Set();
  }

  /** @param {Frame} frame */
  add(frame) {
    this.waiting.set(frame.cid, frame);
    if (frame.type === "approval.respond") this.answered.add(frame.approval_id);
  }

  /** An answer came: the command that it answers, or undefined. @param {string} cid */
  take(cid) {
    const frame = this.waiting.get(cid);
    this.waiting.delete(cid);
    return frame;
  }

  /** The command was not accepted: take it, and let it be given anew. @param {string} cid */
  refuse(cid) {
    const frame = this.take(cid);
    if (frame?.type === "approval.respond") this.answered.delete(frame.approval_id);
    return frame;
  }

  /** A snapshot replaced all: what it still asks has no answer but those that are under way. */
  replaced() {
    this.answered = new Set(this.all().flatMap((frame) => frame.approval_id ?? []));
  }

  all() {
    return [...this.waiting.values()];
  }

  /** The connection is gone: nobody waits for a page of history any more. */
  disconnected() {
    for (const [cid, frame] of this.waiting) {
      if (frame.type === "history.get") this.waiting.delete(cid);
    }
  }

  /** @param {string} type @param {string} turnId */
  has(type, turnId) {
    return this.all().some((frame) => frame.type === type && frame.turn_id === turnId);
  }
}

/**
 * Whether an approval had been decided otherwise, by somebody else or by the time, when this answer came.
 * @param {Frame | undefined} command
 * @param {Frame} ok
 */
export function isTooLate(command, ok) {
  return command?.type === "approval.respond" && ok.state !== (command.approved ? "approved" : "declined");
}
