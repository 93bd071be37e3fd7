/** The conversation: rows kept in step with the view, and a scroll position that does not jump. */
import { icon, make, setText } from "../dom.js";
import { AnswerView } from "./answer.js";
import { OperatorView, UserView } from "./said.js";

/**
 * @typedef {import("../rows.js").Row} Row
 * @typedef {import("./answer.js").RowContext} RowContext
 * @typedef {{ element: HTMLElement, update: (row: any, context: RowContext) => void }} RowView
 */

/** Nearer to the end than this counts as being there, in CSS pixels. */
const NEAR_END = 48;
/** Nearer to the beginning than this, older messages are fetched. */
const NEAR_START = 160;
/** So many rows at the end are always laid out; those before them only when they come into sight. */
const ALWAYS_LAID_OUT = 20;

export class Log {
  /**
   * @param {import("../strings.js").Translator} words
   * @param {() => void} loadOlder
   */
  constructor(words, loadOlder) {
    this.words = words;
    this.loadOlder = loadOlder;
    /** @type {Map<string, RowView>} */
    this.views = new Map();
    this.older = make("button", { type: "button", class: "plain older", hidden: true, onclick: loadOlder });
    this.rows = make("div", { class: "rows" });
    this.empty = make("div", { class: "empty", hidden: true });
    this.inner = make("div", { class: "inner" }, this.older, this.empty, this.rows);
    this.scroller = make(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": words.say("conversation"), onscroll: () => this.#scrolled() },
      this.inner,
    );
    this.jumpLabel = make("span");
    this.jump = make(
      "button",
      { type: "button", class: "jump", hidden: true, "aria-label": words.say("newest"), onclick: () => this.toEnd() },
      icon("bottom"),
      this.jumpLabel,
    );
    this.element = make("div", { class: "logframe" }, this.scroller, this.jump);
    /** Whether the end is held in sight. */
    this.pinned = true;
    this.fresh = false;
    this.firstKey = "";
    this.tail = "";
    /** The first row when older ones were last asked for by scrolling. */
    this.askedAt = "";
    // What grows later (a table laid out, the keyboard, a font) must not push the end out of sight.
    this.watcher = new ResizeObserver(() => this.#hold());
    this.watcher.observe(this.inner);
    this.watcher.observe(this.scroller);
  }

  /** @param {Row[]} rows @param {RowContext} context @param {{ more: boolean, loading: boolean }} history */
  update(rows, context, history) {
    const anchor = this.pinned || rows[0]?.key === this.firstKey ? null : this.#anchor();
    this.firstKey = rows[0]?.key ?? "";
    const tail = tailOf(rows);
    const grew = tail !== this.tail;
    this.tail = tail;
    this.#patch(rows, context);
    this.older.hidden = !history.more;
    setText(this.older, this.words.say(history.loading ? "loading" : "older"));
    if (anchor !== null) this.#keep(anchor);
    else if (!this.pinned && grew) this.fresh = true;
    this.#hold();
    this.#showJump();
  }

  /** Show the end, and stay there. */
  toEnd() {
    this.pinned = true;
    this.fresh = false;
    this.#hold();
    this.#showJump();
  }

  /** @param {Row[]} rows @param {RowContext} context */
  #patch(rows, context) {
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, view] of this.views) {
      if (wanted.has(key)) continue;
      view.element.remove();
      this.views.delete(key);
    }
    /** @type {ChildNode | null} */
    let place = this.rows.firstChild;
    for (const [index, row] of rows.entries()) {
      const known = this.views.get(row.key);
      const view = known ?? this.#add(row, context);
      view.update(row, context);
      // Laid out once before it may be skipped: its size is remembered, so that nothing jumps (CSS Sizing 4, 4.2).
      const isDistant = known !== undefined && index < rows.length - ALWAYS_LAID_OUT;
      view.element.classList.toggle("distant", isDistant);
      if (view.element === place) place = place.nextSibling;
      else this.rows.insertBefore(view.element, place);
    }
  }

  /** @param {Row} row @param {RowContext} context @returns {RowView} */
  #add(row, context) {
    const view = makeView(row, context);
    this.views.set(row.key, view);
    return view;
  }

  /** The first row in sight and where it is. */
  #anchor() {
    const top = this.scroller.getBoundingClientRect().top;
    for (const child of this.rows.children) {
      const box = child.getBoundingClientRect();
      if (box.bottom > top) return { element: child, top: box.top };
    }
    return null;
  }

  /**
   * Put a row back to where it was. The browser's own scroll anchoring does nothing at the very top, and
   * Safari has none; but where it is there it must not correct a second time.
   * @param {{ element: Element, top: number }} anchor
   */
  #keep(anchor) {
    this.scroller.style.overflowAnchor = "none";
    this.scroller.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    requestAnimationFrame(() => {
      this.scroller.style.overflowAnchor = "";
    });
  }

  #hold() {
    if (this.pinned) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.pinned = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.pinned) this.fresh = false;
    else if (scrollTop < NEAR_START && !this.older.hidden) this.#loadOnce();
    this.#showJump();
  }

  /** Each beginning asks once by itself, however many scroll events come before the answer is drawn. */
  #loadOnce() {
    if (this.askedAt === this.firstKey) return;
    this.askedAt = this.firstKey;
    this.loadOlder();
  }

  #showJump() {
    this.jump.hidden = this.pinned;
    setText(this.jumpLabel, this.fresh ? this.words.say("newMessages") : "");
  }
}

/** Differs whenever something was added at the end. @param {Row[]} rows */
function tailOf(rows) {
  const last = rows.at(-1);
  if (last === undefined) return "";
  const asked = last.kind === "answer" ? last.approvals.length : 0;
  return `${last.key} ${last.message?.content.length ?? 0} ${asked}`;
}

/** @param {Row} row @param {RowContext} context @returns {RowView} */
function makeView(row, context) {
  switch (row.kind) {
    case "user":
      return new UserView(context);
    case "answer":
      return new AnswerView(context);
    case "operator":
      return new OperatorView(context);
  }
}
