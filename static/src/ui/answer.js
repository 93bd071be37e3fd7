/** One answer of the assistant: its tools, its text, how it goes, and what can be done with it. */
import { copyText, icon, iconButton, make, setText } from "../dom.js";
import { safeLink } from "../links.js";
import { MarkdownView } from "../markdown.js";
import { errorKey } from "../strings.js";
import { contentText } from "../text.js";
import { ApprovalList } from "./approval.js";
import { ToolList } from "./tools.js";

/**
 * @typedef {import("../rows.js").AnswerRow} AnswerRow
 * @typedef {import("../strings.js").StringKey} StringKey
 *
 * @typedef {object} RowContext what rows need to know and may ask for
 * @property {import("../strings.js").Translator} words
 * @property {string} title who answers
 * @property {boolean} connected
 * @property {import("../session.js").Session} session
 * @property {(turnId: string) => void} retry
 * @property {(turnId: string) => void} cancel
 * @property {(messageId: string, score: -1 | 1) => void} rate
 * @property {(approvalId: string, approved: boolean) => void} respond
 * @property {(cid: string) => void} resend
 * @property {(cid: string) => void} discard
 * @property {(text: string) => void} announce
 * @property {() => void} focus put the focus where the user writes
 * @property {(code: string | undefined) => string} explain an error code as a sentence
 */

export class AnswerView {
  /** @param {RowContext} context */
  constructor(context) {
    this.context = context;
    const { words } = context;
    this.markdown = new MarkdownView(words);
    this.tools = new ToolList(words);
    this.approvals = new ApprovalList();
    this.progressLabel = make("span", { class: "progresslabel" });
    this.progress = make("div", { class: "progress" }, dots(), this.progressLabel);
    this.fault = make("div", { class: "fault", hidden: true });
    this.sources = make("ol", { class: "sources", hidden: true, "aria-label": words.say("sources") });
    this.meta = make("span", { class: "meta" });
    this.good = this.#rateButton(1, "up", "good");
    this.bad = this.#rateButton(-1, "down", "bad");
    this.again = iconButton("again", words.say("again"), { class: "tiny", onclick: () => context.retry(this.turnId) });
    this.foot = make("div", { class: "foot", hidden: true }, this.#copyButton(), this.good, this.bad, this.again, this.meta);
    this.element = make(
      "article",
      { class: "row answer" },
      make("h2", { class: "sr" }, words.say("agent", { title: context.title })),
      this.tools.element,
      this.markdown.element,
      this.approvals.element,
      this.progress,
      this.fault,
      this.sources,
      this.foot,
    );
    /** @type {AnswerRow | null} */
    this.row = null;
    this.turnId = "";
    this.seenRunning = false;
  }

  /** @param {AnswerRow} row @param {RowContext} context */
  update(row, context) {
    const wasRunning = this.row?.running ?? false;
    this.context = context;
    this.row = row;
    this.turnId = row.turnId;
    this.tools.update(row.details?.tools ?? [], row.details?.refusals);
    this.#showText(row);
    this.approvals.update(row.approvals, context);
    this.#showProgress(row);
    this.#showFault(row);
    this.#showSources(row);
    this.#showFoot(row);
    this.element.setAttribute("aria-busy", String(row.running));
    if (row.running && !this.seenRunning) context.announce(context.words.say("answerStarts"));
    this.seenRunning ||= row.running;
    if (wasRunning && !row.running) context.announce(spoken(this.markdown.element) || (this.fault.textContent ?? ""));
  }

  /** @param {AnswerRow} row */
  #showText(row) {
    this.markdown.element.hidden = row.message === null;
    if (row.message === null) return;
    this.markdown.update(contentText(row.message.content));
    if (row.message.status !== "running") this.markdown.end();
  }

  /** @param {AnswerRow} row */
  #showProgress(row) {
    const writing = row.message?.status === "running" && row.message.content !== "";
    this.progress.hidden = !row.running;
    this.element.classList.toggle("writing", row.running && writing);
    this.element.classList.toggle("parked", row.parked);
    if (row.running) setText(this.progressLabel, this.context.words.say(this.#progressKey(row, writing)));
  }

  /** @param {AnswerRow} row @param {boolean} writing @returns {StringKey} */
  #progressKey(row, writing) {
    if (this.context.session.isPending("turn.cancel", row.turnId)) return "stopping";
    if (row.parked) return "parked";
    return writing ? "writing" : "thinking";
  }

  /** @param {AnswerRow} row */
  #showFault(row) {
    const key = row.running ? null : faultKey(row);
    this.fault.hidden = key === null;
    const wanted = key === null ? "" : `${key} ${row.last}`;
    if (this.fault.dataset["shown"] === wanted) return;
    this.fault.dataset["shown"] = wanted;
    const { words } = this.context;
    const retry = make(
      "button",
      { type: "button", class: "plain", onclick: () => this.context.retry(this.turnId) },
      icon("again"),
      words.say("retry"),
    );
    this.fault.replaceChildren(make("span", {}, key === null ? "" : words.say(key)), ...(row.last ? [retry] : []));
    this.fault.classList.toggle("calm", key === "stopped" || key === "noAnswer");
  }

  /** @param {AnswerRow} row */
  #showSources(row) {
    const sources = row.message?.sources ?? [];
    this.sources.hidden = sources.length === 0;
    if (this.sources.childElementCount === sources.length) return;
    this.sources.replaceChildren(
      ...sources.map((source) => {
        const href = source.url === undefined ? null : safeLink(source.url);
        const title = source.snippet ?? null;
        return href === null
          ? make("li", {}, make("span", { title }, source.title))
          : make("li", {}, make("a", { href, title, target: "_blank", rel: "noopener noreferrer nofollow" }, source.title));
      }),
    );
  }

  /** @param {AnswerRow} row */
  #showFoot(row) {
    this.foot.hidden = row.running || row.message === null;
    if (this.foot.hidden || row.message === null) return;
    const score = this.context.session.scores.get(row.message.message_id) ?? row.message.feedback?.score ?? 0;
    this.good.setAttribute("aria-pressed", String(score === 1));
    this.bad.setAttribute("aria-pressed", String(score === -1));
    this.again.hidden = !row.last || faultKey(row) !== null;
    setText(this.meta, metaText(row, this.context.words));
  }

  #copyButton() {
    const { words } = this.context;
    const button = iconButton("copy", words.say("copy"), {
      class: "tiny",
      onclick: async () => {
        if (!(await copyText(contentText(this.row?.message?.content ?? "")))) return;
        button.replaceChildren(icon("check"));
        this.context.announce(words.say("copied"));
      },
    });
    return button;
  }

  /** @param {-1 | 1} score @param {import("../dom.js").IconName} shape @param {StringKey} label */
  #rateButton(score, shape, label) {
    const { words } = this.context;
    return iconButton(shape, words.say(label), {
      class: "tiny",
      "aria-pressed": "false",
      onclick: () => {
        const messageId = this.row?.message?.message_id;
        if (messageId === undefined) return;
        this.context.rate(messageId, score);
        this.context.announce(words.say("thanks"));
      },
    });
  }
}

/** What went wrong with a turn that is over, or null. @param {AnswerRow} row @returns {StringKey | null} */
function faultKey(row) {
  const end = row.details?.end;
  if (end?.outcome === "failed") return errorKey(end.code);
  if (end?.outcome === "cancelled" || row.message?.status === "cancelled") return "stopped";
  if (row.message?.status === "failed") return "failedPart";
  return row.message === null ? "noAnswer" : null;
}

/** When, how long, how many tokens, what it cost. @param {AnswerRow} row @param {import("../strings.js").Translator} words */
function metaText(row, words) {
  const end = row.details?.end;
  const parts = [];
  if (row.message !== null) parts.push(words.date(row.message.ts, { hour: "2-digit", minute: "2-digit" }));
  if (end?.duration_ms !== undefined) {
    const seconds = { style: "unit", unit: "second", maximumFractionDigits: 1 };
    parts.push(words.number(end.duration_ms / 1000, /** @type {Intl.NumberFormatOptions} */ (seconds)));
  }
  if (end?.usage?.total) parts.push(words.say("tokens", { count: words.number(end.usage.total) }));
  if (end?.cost_usd) {
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: end.cost_usd < 0.01 ? 5 : 3 };
    parts.push(words.number(end.cost_usd, { style: "currency", currency: "USD", ...digits }));
  }
  if (end?.from_cache) parts.push(words.say("fromCache"));
  if (row.details?.model) parts.push(row.details.model);
  return parts.join(" · ");
}

/** An answer as a sentence to be read out: blocks are separated, labels of buttons are left out. @param {HTMLElement} root */
function spoken(root) {
  return [...root.querySelectorAll("p, li, h3, pre, th, td")]
    .filter((element) => element.querySelector("p, li") === null)
    .map((element) => element.textContent?.trim() ?? "")
    .filter((text) => text !== "")
    .join(". ");
}

function dots() {
  return make("span", { class: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
}
