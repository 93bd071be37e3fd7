/** Tool calls and approvals as they are shown inside an answer. */
import { icon, make } from "../dom.js";

/**
 * @typedef {import("../protocol.js").Tool} Tool
 * @typedef {import("../strings.js").Translator} Translator
 */

/** @type {Record<Tool["status"], import("../strings.js").StringKey>} */
const STATES = { running: "toolRunning", completed: "toolDone", failed: "toolFailed" };

/**
 * The list of a turn's tool calls. Cards that did not change stay, so that what is open stays open.
 */
export class ToolList {
  /** @param {Translator} words */
  constructor(words) {
    this.words = words;
    this.element = make("ul", { class: "tools", hidden: true });
    /** @type {Map<string, { tool: Tool, item: HTMLElement }>} */
    this.cards = new Map();
  }

  /** @param {Tool[]} tools */
  update(tools) {
    this.element.hidden = tools.length === 0;
    const left = new Set(tools.map((tool) => tool.call_id));
    for (const [callId, card] of this.cards) {
      if (left.has(callId)) continue;
      card.item.remove();
      this.cards.delete(callId);
    }
    for (const tool of tools) this.#show(tool);
  }

  /** @param {Tool} tool */
  #show(tool) {
    const known = this.cards.get(tool.call_id);
    if (known?.tool === tool) return;
    const wasOpen = known?.item.querySelector("details")?.open ?? false;
    const item = make("li", { class: "tool", "data-status": tool.status }, toolCard(tool, wasOpen, this.words));
    if (known === undefined) this.element.append(item);
    else known.item.replaceWith(item);
    this.cards.set(tool.call_id, { tool, item });
  }
}

/** @param {Tool} tool @param {boolean} open @param {Translator} words */
function toolCard(tool, open, words) {
  const outcome = tool.status === "failed" ? tool.message : tool.summary;
  const line = [
    make("span", { class: "mark" }, ...mark(tool.status)),
    make("span", { class: "toolname" }, tool.title || tool.name),
    make("span", { class: "sr" }, ` (${words.say(STATES[tool.status])})`),
    outcome ? make("span", { class: "outcome" }, outcome) : null,
  ];
  const inside = [
    ...block(words.say("arguments"), tool.arguments),
    ...block(words.say("result"), tool.result ?? tool.code),
  ];
  if (inside.length === 0) return make("div", { class: "toolline" }, ...line);
  const summary = make("summary", { class: "toolline" }, ...line, make("span", { class: "turns" }, icon("chevron")));
  return make("details", { open }, summary, make("div", { class: "toolbody" }, ...inside));
}

/** @param {Tool["status"]} status */
function mark(status) {
  if (status === "running") return [make("span", { class: "spinner" })];
  return [icon(status === "completed" ? "check" : "cross")];
}

/** @param {string} label @param {unknown} value */
function block(label, value) {
  if (value === undefined || value === null) return [];
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return [
    make("p", { class: "blockname" }, label),
    make("pre", { tabindex: "0", role: "region", "aria-label": label }, text),
  ];
}

/**
 * Questions that the running turn waits for.
 * @param {import("../protocol.js").Approval[]} approvals
 * @param {Translator} words
 * @param {(approvalId: string, approved: boolean) => void} respond
 */
export function approvalCards(approvals, words, respond) {
  return approvals.map((approval) => {
    const mine = approval.approver === "user";
    const buttons = make(
      "div",
      { class: "choices" },
      make("button", { type: "button", class: "solid", onclick: () => respond(approval.approval_id, true) }, words.say("approve")),
      make("button", { type: "button", class: "plain", onclick: () => respond(approval.approval_id, false) }, words.say("decline")),
    );
    return make(
      "div",
      { class: "approval", role: "group", "aria-label": approval.title },
      make("p", { class: "approvalname" }, approval.title),
      make("p", {}, approval.reason),
      ...block(words.say("arguments"), approval.arguments),
      make("p", { class: "faint" }, words.say(mine ? "approvalUser" : "approvalOperator")),
      mine ? buttons : null,
    );
  });
}
