/**
 * Unsent messages in localStorage, one key each, so that tabs do not overwrite one another. Two tabs may
 * both send what they find: the cid makes it one message.
 *
 * @typedef {import("./outbox.js").Outgoing} Outgoing
 */
import { remember } from "./identity.js";

export class SavedOutbox {
  /** @param {string | null} scope whose messages; null: keep nothing, for nobody knows whose they would be */
  constructor(scope) {
    this.prefix = scope === null ? null : `prosa.outbox.${scope}.`;
    /** @type {Set<string>} */
    this.written = new Set();
  }

  /** @returns {Outgoing[]} */
  load() {
    if (this.prefix === null) return [];
    const items = keys()
      .filter((key) => key.startsWith(/** @type {string} */ (this.prefix)))
      .flatMap((key) => decode(localStorage.getItem(key)));
    for (const item of items) this.written.add(item.cid);
    return items;
  }

  /** @param {Outgoing[]} items all that is left */
  save(items) {
    if (this.prefix === null) return;
    const left = new Set(items.map((item) => item.cid));
    for (const cid of this.written) {
      if (!left.has(cid)) remember(this.prefix + cid, null);
    }
    for (const item of items) remember(this.prefix + item.cid, JSON.stringify(item));
    this.written = left;
  }
}

/** @returns {string[]} */
function keys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

/** @param {string | null} text @returns {Outgoing[]} */
function decode(text) {
  try {
    const item = JSON.parse(text ?? "null");
    const whole = typeof item?.cid === "string" && typeof item.text === "string" && Number.isFinite(item.createdAt);
    return whole ? [{ ...item, state: item.state === "sent" ? "waiting" : item.state }] : [];
  } catch {
    return [];
  }
}
