/** Commands that wait for their answer, by cid. All but pages of history are sent again after a reconnect. Pure. */

/** @typedef {import("./protocol.js").Frame} Frame */

export class Commands {
  constructor() {
    /** @type {Map<string, Frame>} */
    this.waiting = new Map();
  }

  /** @param {Frame} frame */
  add(frame) {
    this.waiting.set(frame.cid, frame);
  }

  /** An answer came: the command that it answers, or undefined. @param {string} cid */
  take(cid) {
    const frame = this.waiting.get(cid);
    this.waiting.delete(cid);
    return frame;
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
