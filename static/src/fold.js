/**
 * A session as it is shown: the fold of its log, the same as `core/view.py` on the server. Pure, no DOM.
 *
 * Beside what a snapshot holds, `details` remembers what only the events said of each turn (its tools,
 * how it ended, what it cost). Objects that are shown are replaced, never changed, so that a renderer
 * can compare by identity.
 *
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Tool} Tool
 * @typedef {import("./protocol.js").Frame} Frame
 *
 * @typedef {object} TurnEnd
 * @property {"completed" | "failed" | "cancelled"} outcome
 * @property {import("./protocol.js").Usage} [usage]
 * @property {number} [cost_usd]
 * @property {number} [duration_ms]
 * @property {number | null} [ttft_ms]
 * @property {boolean} [from_cache]
 * @property {string} [code]
 * @property {string} [message]
 * @property {boolean} [retryable]
 *
 * @typedef {"user" | "operator" | "timeout" | "superseded"} Refuser
 * @typedef {Record<string, Refuser>} Refusals by call_id
 * @typedef {{ tools: Tool[], refusals?: Refusals, provider?: string, model?: string, end?: TurnEnd }} TurnDetails
 *
 * @typedef {object} View
 * @property {string} epoch
 * @property {number} seq the last event that was applied
 * @property {Message[]} messages
 * @property {boolean} more older messages can be had by `history.get`
 * @property {import("./protocol.js").Turn | null} turn
 * @property {import("./protocol.js").Queued[]} queue
 * @property {Map<string, TurnDetails>} details by turn_id
 */
import { codePointLength, takeCodePoints } from "./text.js";

/**
 * The view that a `session.snapshot` describes. It replaces all; of the old view only the details of
 * turns that have ended and are still shown are kept.
 * @param {Frame} snapshot
 * @param {View | null} before
 * @returns {View}
 */
export function fromSnapshot(snapshot, before) {
  /** @type {View} */
  const view = {
    epoch: snapshot.epoch,
    seq: snapshot.seq,
    messages: [...(snapshot.messages ?? [])],
    more: snapshot.more ?? false,
    turn: snapshot.turn ?? null,
    queue: [...(snapshot.queue ?? [])],
    details: new Map(),
  };
  const shown = new Set(view.messages.map((message) => message.turn_id));
  for (const [turnId, details] of before?.details ?? []) {
    if (details.end !== undefined && shown.has(turnId)) view.details.set(turnId, details);
  }
  if (view.turn !== null) view.details.set(view.turn.turn_id, { tools: view.turn.tools });
  return view;
}

/**
 * Apply one event. The caller has made sure that `event.seq` is `view.seq + 1`. Unknown types only count.
 * Gives false where the event contradicts what is held (a message whose length is not the announced
 * one): take a snapshot then.
 * @param {View} view
 * @param {Frame} event
 * @returns {boolean}
 */
export function apply(view, event) {
  view.seq = event.seq;
  return changes[event.type]?.(view, event) ?? true;
}

/**
 * The message of that id; the newest are looked at first.
 * @param {View} view
 * @param {string} messageId
 */
export function findMessage(view, messageId) {
  return view.messages.findLast((message) => message.message_id === messageId);
}

/** @type {Record<string, (view: View, event: Frame) => boolean | void>} */
const changes = {
  "message.delta": (view, event) => editText(view, event.message_id, (text) => insert(text, event.off, event.text)),
  "message.reset": (view, event) => editText(view, event.message_id, (text) => takeCodePoints(text, event.to)),
  "message.created": (view, event) => {
    /** @type {Message} */
    const message = {
      message_id: event.message_id,
      turn_id: event.turn_id ?? "",
      role: event.role,
      content: event.content,
      channel: event.channel,
      ts: event.ts,
      status: "complete",
    };
    if (event.re !== undefined && event.re !== null) message.re = event.re;
    view.messages.push(message);
    if (message.turn_id !== "" && !view.details.has(message.turn_id)) view.details.set(message.turn_id, { tools: [] });
  },
  "message.started": (view, event) => {
    if (view.turn !== null) view.turn = { ...view.turn, message_id: event.message_id };
    view.messages.push({
      message_id: event.message_id,
      turn_id: event.turn_id,
      role: "assistant",
      content: "",
      channel: event.channel,
      ts: event.ts,
      status: "running",
    });
  },
  "message.completed": (view, event) => {
    const message = findMessage(view, event.message_id);
    if (message === undefined) return true;
    /** @type {Record<string, import("./protocol.js").MessageStatus>} */
    const statuses = { cancelled: "cancelled", failed: "failed" };
    replace(view, event.message_id, { status: statuses[event.finish_reason] ?? "complete" });
    return typeof message.content !== "string" || codePointLength(message.content) === event.length;
  },
  "turn.queued": queueTurn,
  "turn.started": startTurn,
  "turn.recovered": (view, event) => {
    if (view.turn !== null) view.turn = { ...view.turn, attempt: event.attempt };
  },
  "turn.waiting": (view) => {
    if (view.turn !== null) view.turn = { ...view.turn, state: "parked" };
  },
  "turn.resumed": (view) => {
    if (view.turn !== null) view.turn = { ...view.turn, state: "running" };
  },
  "turn.completed": (view, event) => endTurn(view, event, "completed"),
  "turn.failed": (view, event) => endTurn(view, event, "failed"),
  "turn.cancelled": (view, event) => endTurn(view, event, "cancelled"),
  "step.started": (view, event) => {
    if (event.provider || event.model) noteModel(view, event);
  },
  "tool.started": (view, event) => {
    /** @type {Tool} */
    const tool = {
      call_id: event.call_id,
      step: event.step,
      name: event.name,
      title: event.title,
      status: "running",
    };
    if (event.arguments !== undefined) tool.arguments = event.arguments;
    setTools(view, (tools) => [...tools.filter((other) => other.call_id !== tool.call_id), tool]);
  },
  "tool.completed": (view, event) => endTool(view, event, "completed", ["summary", "result", "duration_ms"]),
  "tool.failed": (view, event) => endTool(view, event, "failed", ["code", "message", "duration_ms"]),
  "approval.requested": (view, event) => {
    if (view.turn === null) return;
    const { approval_id, call_id, name, title, reason, approver, expires_at } = event;
    const approval = { approval_id, call_id, name, title, arguments: event.arguments, reason, approver, expires_at };
    view.turn = { ...view.turn, approvals: [...view.turn.approvals, approval] };
  },
  "approval.resolved": (view, event) => {
    if (view.turn === null) return;
    const asked = view.turn.approvals.find((approval) => approval.approval_id === event.approval_id);
    if (asked !== undefined && !event.approved) noteRefusal(view, view.turn.turn_id, { [asked.call_id]: event.by });
    view.turn = { ...view.turn, approvals: view.turn.approvals.filter((approval) => approval !== asked) };
  },
  "source.added": (view, event) => {
    const message = findMessage(view, event.message_id);
    if (message === undefined) return;
    /** @type {import("./protocol.js").Source} */
    const source = { source_id: event.source_id, title: event.title };
    if (event.url) source.url = event.url;
    if (event.snippet) source.snippet = event.snippet;
    replace(view, event.message_id, { sources: [...(message.sources ?? []), source] });
  },
  "delivery.updated": (view, event) =>
    replace(view, event.message_id, { delivery: { channel: event.channel, status: event.status } }),
};

/** @param {View} view @param {Frame} event */
function queueTurn(view, event) {
  /** @type {import("./protocol.js").Queued} */
  const queued = { turn_id: event.turn_id, message_ids: event.message_ids };
  if (event.retry_of) queued.retry_of = event.retry_of;
  const index = view.queue.findIndex((waiting) => waiting.turn_id === event.turn_id);
  view.queue = index < 0 ? [...view.queue, queued] : view.queue.with(index, queued);
  if (!event.retry_of) adopt(view, event.message_ids, event.turn_id);
}

/** @param {View} view @param {Frame} event */
function startTurn(view, event) {
  for (const queued of view.queue) {
    if (queued.turn_id !== event.turn_id || queued.retry_of === undefined) continue;
    view.messages = view.messages.filter(
      (message) => !(message.turn_id === queued.retry_of && message.role === "assistant"),
    );
    adopt(view, queued.message_ids, event.turn_id);
  }
  view.queue = view.queue.filter((queued) => queued.turn_id !== event.turn_id);
  view.turn = {
    turn_id: event.turn_id,
    state: "running",
    attempt: event.attempt,
    message_id: null,
    tools: [],
    approvals: [],
  };
  view.details.set(event.turn_id, { tools: view.turn.tools });
}

/** @param {View} view @param {Frame} event @param {TurnEnd["outcome"]} outcome */
function endTurn(view, event, outcome) {
  view.queue = view.queue.filter((queued) => queued.turn_id !== event.turn_id);
  if (view.turn?.turn_id === event.turn_id) view.turn = null;
  noteModel(view, event);
  const { usage, cost_usd, duration_ms, ttft_ms, from_cache, code, message, retryable } = event;
  const end = { outcome, usage, cost_usd, duration_ms, ttft_ms, from_cache, code, message, retryable };
  const details = view.details.get(event.turn_id) ?? { tools: [] };
  const tools = details.tools.map((tool) => (tool.status === "running" ? { ...tool, status: /** @type {const} */ ("failed") } : tool));
  view.details.set(event.turn_id, { ...details, tools, end });
}

/** @param {View} view @param {Frame} event */
function noteModel(view, event) {
  const details = view.details.get(event.turn_id) ?? { tools: [] };
  const named = { ...details };
  if (event.provider) named.provider = event.provider;
  if (event.model) named.model = event.model;
  view.details.set(event.turn_id, named);
}

/** @param {View} view @param {string} turnId @param {Refusals} refusal */
function noteRefusal(view, turnId, refusal) {
  const details = view.details.get(turnId) ?? { tools: [] };
  view.details.set(turnId, { ...details, refusals: { ...details.refusals, ...refusal } });
}

/** @param {View} view @param {Frame} event @param {"completed" | "failed"} status @param {string[]} fields */
function endTool(view, event, status, fields) {
  const known = Object.fromEntries(
    fields.filter((field) => event[field] !== undefined).map((field) => [field, event[field]]),
  );
  setTools(view, (tools) =>
    tools.map((tool) => (tool.call_id === event.call_id ? { ...tool, ...known, status } : tool)),
  );
}

/** @param {View} view @param {(tools: Tool[]) => Tool[]} change */
function setTools(view, change) {
  if (view.turn === null) return;
  const tools = change(view.turn.tools);
  view.turn = { ...view.turn, tools };
  view.details.set(view.turn.turn_id, { ...(view.details.get(view.turn.turn_id) ?? {}), tools });
}

/** @param {View} view @param {string[]} messageIds @param {string} turnId */
function adopt(view, messageIds, turnId) {
  for (const messageId of messageIds) replace(view, messageId, { turn_id: turnId });
}

/** @param {View} view @param {string} messageId @param {(text: string) => string} change */
function editText(view, messageId, change) {
  const message = findMessage(view, messageId);
  if (message !== undefined && typeof message.content === "string") {
    replace(view, messageId, { content: change(message.content) });
  }
}

/** @param {View} view @param {string} messageId @param {Partial<Message>} fields */
function replace(view, messageId, fields) {
  const index = view.messages.findLastIndex((message) => message.message_id === messageId);
  const message = view.messages[index];
  if (message !== undefined) view.messages[index] = { ...message, ...fields };
}

/**
 * `text` up to code point `off`, then `addition`. Mostly `off` is the end: cheap for text of the basic plane.
 * @param {string} text
 * @param {number} off
 * @param {string} addition
 */
function insert(text, off, addition) {
  return takeCodePoints(text, off) + addition;
}
