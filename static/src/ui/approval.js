/** A question that the running turn waits for: what is to be done, until when a yes counts, and the two answers. */
import { make, setText } from "../dom.js";
import { block } from "./tools.js";

/**
 * @typedef {import("../protocol.js").Approval} Approval
 * @typedef {import("../strings.js").Translator} Translator
 * @typedef {import("./answer.js").RowContext} RowContext
 */

/** The last moment that a `Date` can hold (ECMA-262, 21.4.1.1), Unix milliseconds. */
const LATEST_MS = 8.64e15;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The cards of one answer, in step with what it waits for. A card that stays keeps the focus that is in it. */
export class ApprovalList {
  constructor() {
    this.element = make("div", { class: "approvals" });
    /** @type {Map<string, ApprovalCard>} */
    this.cards = new Map();
  }

  /** @param {Approval[]} approvals @param {RowContext} context */
  update(approvals, context) {
    const left = new Set(approvals.map((approval) => approval.approval_id));
    for (const [approvalId, card] of this.cards) {
      if (left.has(approvalId)) continue;
      if (card.element.querySelector(":focus") !== null) context.focus(); // the button vanishes, and the focus with it
      card.element.remove();
      this.cards.delete(approvalId);
    }
    for (const approval of approvals) this.#show(approval, context);
  }

  /** @param {Approval} approval @param {RowContext} context */
  #show(approval, context) {
    const known = this.cards.get(approval.approval_id);
    const card = known ?? new ApprovalCard(approval, context);
    if (known === undefined) {
      this.cards.set(approval.approval_id, card);
      this.element.append(card.element);
      context.announce(`${approval.title}. ${approval.reason} ${card.until}`);
    }
    card.update(context);
  }
}

class ApprovalCard {
  /** @param {Approval} approval @param {RowContext} context */
  constructor(approval, context) {
    const { words } = context;
    this.approval = approval;
    this.context = context;
    const isMine = approval.approver === "user";
    this.until = words.say(isMine ? "approvalUser" : "approvalOperator", { time: moment(approval.expires_at, words) });
    this.buttons = [this.#button("approve", "solid", true), this.#button("decline", "plain", false)];
    this.sent = make("span", { class: "faint", role: "status" });
    const name = `${approval.approval_id}-name`;
    const about = `${approval.approval_id}-about`;
    this.element = make(
      "section",
      { class: "approval", "aria-labelledby": name, "aria-describedby": about },
      make("h3", { class: "approvalname", id: name }, approval.title),
      make("p", { id: about }, approval.reason),
      ...fields(approval.arguments, words),
      make("p", { class: "faint" }, this.until),
      isMine ? make("div", { class: "choices" }, ...this.buttons, this.sent) : null,
    );
  }

  /** @param {RowContext} context */
  update(context) {
    this.context = context;
    const isAnswered = context.session.isAnswered(this.approval.approval_id);
    // Not `disabled`, which would take the focus away while the answer is on its way.
    for (const button of this.buttons) button.setAttribute("aria-disabled", String(isAnswered));
    const state = context.connected ? "sending" : "unsent";
    setText(this.sent, isAnswered ? context.words.say(state) : "");
  }

  /** @param {"approve" | "decline"} label @param {string} look @param {boolean} approved */
  #button(label, look, approved) {
    const { approval_id: approvalId } = this.approval;
    const answer = () => {
      if (!this.context.session.isAnswered(approvalId)) this.context.respond(approvalId, approved);
    };
    return make("button", { type: "button", class: look, onclick: answer }, this.context.words.say(label));
  }
}

/**
 * What the tool would be called with: a line for each argument, where they have names.
 * @param {unknown} value
 * @param {Translator} words
 */
function fields(value, words) {
  const named = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!named) return block(words.say("arguments"), value);
  const rows = Object.entries(value).map(([name, argument]) =>
    make("div", {}, make("dt", {}, words.argument(name)), make("dd", { dir: "auto" }, shown(argument, words))),
  );
  return rows.length === 0 ? [] : [make("dl", { class: "fields" }, ...rows)];
}

/** @param {unknown} value @param {Translator} words @returns {string} */
function shown(value, words) {
  if (value === null || value === "") return "–";
  if (typeof value === "boolean") return words.say(value ? "yes" : "no");
  if (typeof value === "string") return day(value, words) ?? value;
  const isList = Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number");
  return isList ? value.join(", ") : JSON.stringify(value);
}

/** A day in words, so that nobody takes the month for the day; null: it is none. @param {string} text @param {Translator} words */
function day(text, words) {
  const at = DAY.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : words.date(at, { dateStyle: "long", timeZone: "UTC" });
}

/** @param {number} ms @param {Translator} words */
function moment(ms, words) {
  const style = { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" };
  return words.date(Math.min(ms, LATEST_MS), /** @type {Intl.DateTimeFormatOptions} */ (style));
}
