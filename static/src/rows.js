/**
 * What is on the screen, in order: each answer under the messages that it answers, and below them what has
 * not been sent. Pure.
 *
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {{ kind: "user", key: string, text: string, message: Message | null,
 *     outgoing: import("./outbox.js").Outgoing | null, queued: string | null }} UserRow
 *   `queued`: the turn that waits behind another, or null
 * @typedef {{ kind: "answer", key: string, turnId: string, message: Message | null, running: boolean,
 *     parked: boolean, details: import("./fold.js").TurnDetails | null,
 *     approvals: import("./protocol.js").Approval[], last: boolean }} AnswerRow
 *   `last`: of the conversation's last turn, which may be asked for again
 * @typedef {{ kind: "operator", key: string, message: Message, text: string }} OperatorRow
 * @typedef {UserRow | AnswerRow | OperatorRow} Row
 */
import { contentText } from "./text.js";

/**
 * @param {import("./fold.js").View | null} view
 * @param {import("./outbox.js").Outgoing[]} outgoing
 * @returns {Row[]}
 */
export function rowsOf(view, outgoing) {
  /** @type {Row[]} */
  const rows = [];
  const present = new Set();
  const lastTurn = lastTurnOf(view);
  for (const message of view?.messages ?? []) {
    if (message.re !== undefined) present.add(message.re);
    if (message.role === "assistant") insertAnswer(rows, answerRow(view, message.turn_id, message, lastTurn));
    else rows.push(message.role === "operator" ? operatorRow(message) : userRow(view, message));
  }
  for (const turnId of turnsWithoutMessage(view, rows)) insertAnswer(rows, answerRow(view, turnId, null, lastTurn));
  for (const item of outgoing) {
    if (!present.has(item.cid) && item.state !== "accepted") {
      rows.push({ kind: "user", key: `re:${item.cid}`, text: item.text, message: null, outgoing: item, queued: null });
    }
  }
  return rows;
}

/** @param {import("./fold.js").View | null} view @param {Message} message @returns {UserRow} */
function userRow(view, message) {
  const waits = view?.queue.some((queued) => queued.turn_id === message.turn_id) && view.turn !== null;
  return {
    kind: "user",
    key: message.re === undefined ? message.message_id : `re:${message.re}`,
    text: contentText(message.content),
    message,
    outgoing: null,
    queued: waits ? message.turn_id : null,
  };
}

/** @param {Message} message @returns {OperatorRow} */
function operatorRow(message) {
  return { kind: "operator", key: message.message_id, message, text: contentText(message.content) };
}

/**
 * @param {import("./fold.js").View | null} view
 * @param {string} turnId
 * @param {Message | null} message
 * @param {string} lastTurn
 * @returns {AnswerRow}
 */
function answerRow(view, turnId, message, lastTurn) {
  const turn = view?.turn?.turn_id === turnId ? view.turn : null;
  const details = view?.details.get(turnId) ?? null;
  const queued = view?.queue.some((waiting) => waiting.turn_id === turnId) ?? false;
  // Between `message.created` and `turn.queued` the turn is in neither place, and still has not ended.
  const asked = message === null && details !== null && details.end === undefined;
  return {
    kind: "answer",
    key: `turn:${turnId}`,
    turnId,
    message,
    running: turn !== null || queued || asked,
    parked: turn?.state === "parked",
    details,
    approvals: turn?.approvals ?? [],
    last: turnId === lastTurn && turn === null && view?.queue.length === 0,
  };
}

/** Put an answer right after the last row of its turn. @param {Row[]} rows @param {AnswerRow} answer */
function insertAnswer(rows, answer) {
  const index = rows.findLastIndex((row) => row.kind === "user" && row.message?.turn_id === answer.turnId);
  if (index < 0) rows.push(answer);
  else rows.splice(index + 1, 0, answer);
}

/**
 * Turns that have something to show but no message: the running one, one that ended before its first word,
 * and the first that waits while none runs.
 * @param {import("./fold.js").View | null} view
 * @param {Row[]} rows
 */
function turnsWithoutMessage(view, rows) {
  if (view === null) return [];
  const answered = new Set(rows.flatMap((row) => (row.kind === "answer" ? row.turnId : [])));
  const asked = rows.flatMap((row) => (row.kind === "user" && row.message?.turn_id ? row.message.turn_id : []));
  const waiting = new Set(view.queue.map((queued) => queued.turn_id));
  const next = view.turn === null ? view.queue[0] : undefined;
  const shown = asked.filter((turnId) => !waiting.has(turnId) || turnId === next?.turn_id);
  if (view.turn !== null) shown.push(view.turn.turn_id);
  return [...new Set(shown)].filter((turnId) => !answered.has(turnId));
}

/** @param {import("./fold.js").View | null} view */
function lastTurnOf(view) {
  const last = view?.messages.findLast((message) => message.role !== "operator" && message.turn_id !== "");
  return last?.turn_id ?? "";
}
