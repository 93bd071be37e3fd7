/**
 * The words of wire protocol v1 that the chat uses, as types. No code but constants lives here.
 *
 * @typedef {"running" | "complete" | "cancelled" | "failed"} MessageStatus
 * @typedef {{ type: string, text?: string, url?: string, media_id?: string }} Part
 * @typedef {{ source_id: string, title: string, url?: string, snippet?: string }} Source
 *
 * @typedef {object} Message
 * @property {string} message_id
 * @property {string} turn_id
 * @property {"user" | "assistant" | "operator"} role
 * @property {string | Part[]} content
 * @property {string} channel
 * @property {number} ts Unix milliseconds
 * @property {MessageStatus} status
 * @property {string} [re] the sender's cid
 * @property {string} [replaced_by]
 * @property {{ channel: string, status: string }} [delivery]
 * @property {{ score?: number }} [feedback]
 * @property {Source[]} [sources]
 *
 * @typedef {object} Tool
 * @property {string} call_id
 * @property {number} step
 * @property {string} name
 * @property {string} title
 * @property {"running" | "completed" | "failed"} status
 * @property {unknown} [arguments]
 * @property {string} [summary]
 * @property {unknown} [result]
 * @property {string} [code]
 * @property {string} [message]
 * @property {number} [duration_ms]
 *
 * @typedef {object} Approval
 * @property {string} approval_id
 * @property {string} call_id
 * @property {string} name
 * @property {string} title
 * @property {unknown} [arguments]
 * @property {string} reason
 * @property {"user" | "operator"} approver
 * @property {number} expires_at
 *
 * @typedef {object} Turn
 * @property {string} turn_id
 * @property {"running" | "parked"} state
 * @property {number} attempt
 * @property {string | null} message_id
 * @property {Tool[]} tools
 * @property {Approval[]} approvals
 *
 * @typedef {{ turn_id: string, message_ids: string[], retry_of?: string }} Queued
 * @typedef {{ input: number, output: number, cached: number, reasoning: number, total: number }} Usage
 *
 * @typedef {Record<string, any> & { type: string }} Frame a frame as it came, known or not
 */

export const SUBPROTOCOL = "prosa.v1";

/** Most characters (code points) of a message; the server may announce another in `limits`. */
export const MESSAGE_CHARS = 16_000;

/** Server frames that are not events of the log, whatever fields they carry. */
export const SIGNALS = new Set([
  "session.opened",
  "session.snapshot",
  "session.live",
  "session.erased",
  "ok",
  "error",
  "history",
  "delivery.ready",
  "typing",
  "ping",
  "pong",
  "server.draining",
]);

/**
 * The frames of a text: one object, or an array of them. What is neither is left out.
 * @param {string} data
 * @returns {Frame[]}
 */
export function parseFrames(data) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    return [];
  }
  return (Array.isArray(value) ? value : [value]).filter(
    (frame) => typeof frame === "object" && frame !== null && typeof frame.type === "string",
  );
}
