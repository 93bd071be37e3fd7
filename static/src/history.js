/** Older messages, page by page, above those that the snapshot gave. Pure. */

/** @typedef {import("./protocol.js").Frame} Frame */

const PAGE = 50;

export class History {
  isLoading = false;
  /** @type {string | undefined} the oldest message that was seen; a replaced answer, which is not shown, counts */
  oldestId = undefined;

  /** A snapshot came: begin from its first message. @param {import("./fold.js").View} view */
  reset(view) {
    this.isLoading = false;
    this.oldestId = view.messages[0]?.message_id;
  }

  /** The fields of the next `history.get`, or null: nothing more, or one is under way. @param {import("./fold.js").View | null} view */
  next(view) {
    if (this.isLoading || !view?.more || this.oldestId === undefined) return null;
    this.isLoading = true;
    return { type: "history.get", before: this.oldestId, limit: PAGE };
  }

  /** Put a page above what is there, unless it answers a question of before the last snapshot. @param {import("./fold.js").View} view @param {Frame} page @param {Frame} asked */
  merge(view, page, asked) {
    this.isLoading = false;
    if (this.oldestId !== asked["before"]) return;
    /** @type {import("./protocol.js").Message[]} */
    const messages = page["messages"];
    this.oldestId = messages[0]?.message_id ?? this.oldestId;
    const held = new Set(view.messages.map((message) => message.message_id));
    view.messages.unshift(
      ...messages.filter((message) => !held.has(message.message_id) && message.replaced_by === undefined),
    );
    view.more = Boolean(page["more"]) && messages.length > 0;
  }
}
