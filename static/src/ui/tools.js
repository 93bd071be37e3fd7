/** Tool calls as they are shown inside an answer. */
import { icon, make } from "../dom.js";

/**
 * @typedef {import("../protocol.js").Tool} Tool
 * @typedef {import("../strings.js").Translator} Translator
 */

/** @type {Record<Tool["status"], import("../strings.js").StringKey>} */
const STATES = { running: "toolRunning", completed: "toolDone", failed: "toolFailed" };

/**
 * What became of a call that nobody allowed, by who said so. The call's own message is for the model.
 * @type {Record<import("../fold.js").Refuser, import("../strings.js").StringKey>}
 */
const REFUSALS = { user: "declinedUser", operator: "declinedOperator", timeout: "declinedTimeout", superseded: "declinedSuperseded" };

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

  /** @param {Tool[]} tools @param {import("../fold.js").Refusals} [refusals] who did not allow which of them */
  update(tools, refusals = {}) {
    this.element.hidden = tools.length === 0;
    const left = new Set(tools.map((tool) => tool.call_id));
    for (const [callId, card] of this.cards) {
      if (left.has(callId)) continue;
      card.item.remove();
      this.cards.delete(callId);
    }
    for (const tool of tools) this.#show(tool, refusals[tool.call_id]);
  }

  /** @param {Tool} tool @param {import("../fold.js").Refuser | undefined} refuser */
  #show(tool, refuser) {
    const known = this.cards.get(tool.call_id);
    if (known?.tool === tool) return;
    const wasOpen = known?.item.querySelector("details")?.open ?? false;
    const item = make("li", { class: "tool", "data-status": tool.status }, toolCard(tool, outcomeOf(tool, refuser, this.words), wasOpen, this.words));
    if (known === undefined) this.element.append(item);
    else known.item.replaceWith(item);
    this.cards.set(tool.call_id, { tool, item });
  }
}

/**
 * How the call went, in a sentence.
 * @param {Tool} tool
 * @param {import("../fold.js").Refuser | undefined} refuser
 * @param {Translator} words
 */
function outcomeOf(tool, refuser, words) {
  if (tool.status !== "failed") return tool.summary;
  if (tool.code === "not_approved") return words.say(refuser === undefined ? "declined" : REFUSALS[refuser]);
  return tool.code === "outcome_unknown" ? words.say("outcomeUnknown") : tool.message;
}

/** @param {Tool} tool @param {string | undefined} outcome @param {boolean} open @param {Translator} words */
function toolCard(tool, outcome, open, words) {
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

/** A value as text under a label; nothing where there is none. @param {string} label @param {unknown} value */
export function block(label, value) {
  if (value === undefined || value === null) return [];
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return [
    make("p", { class: "blockname" }, label),
    make("pre", { tabindex: "0", role: "region", "aria-label": label }, text),
  ];
}
