/** The round button on somebody's site, and the panel that it opens. */
import { icon, make } from "../dom.js";

export class Bubble {
  /**
   * @param {import("../strings.js").Translator} words
   * @param {HTMLElement} shell what the panel holds
   * @param {() => void} focusInside
   */
  constructor(words, shell, focusInside) {
    this.words = words;
    this.focusInside = focusInside;
    /** Answers that were there when somebody last looked; null: not known yet. @type {number | null} */
    this.seen = null;
    this.answers = 0;
    this.launcher = make(
      "button",
      { type: "button", class: "launcher", "aria-expanded": "false", "aria-label": words.say("open"), onclick: () => this.toggle() },
      icon("chat"),
      icon("lower"),
      make("span", { class: "unread", hidden: true }),
    );
    this.panel = make(
      "div",
      { class: "panel", role: "dialog", "aria-label": words.say("chat"), hidden: true, onkeydown: (/** @type {KeyboardEvent} */ event) => this.#pressed(event) },
      shell,
    );
    this.element = make("aside", { class: "bubbleframe", "aria-label": words.say("chat") }, this.panel, this.launcher);
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  open() {
    this.panel.hidden = false;
    this.#show();
    this.focusInside();
  }

  close() {
    this.panel.hidden = true;
    this.#show();
    this.launcher.focus({ preventScroll: true });
  }

  /** @param {{ answers: number, live: boolean }} state how many answers are whole or ask something */
  update({ answers, live }) {
    this.answers = answers;
    if (this.seen === null && live) this.seen = answers;
    this.#show();
  }

  #show() {
    const isOpen = !this.panel.hidden;
    if (isOpen) this.seen = this.answers;
    const unread = this.seen !== null && this.answers > this.seen;
    this.launcher.setAttribute("aria-expanded", String(isOpen));
    this.launcher.setAttribute("aria-label", this.words.say(isOpen ? "close" : unread ? "openUnread" : "open"));
    this.launcher.classList.toggle("opened", isOpen);
    const mark = this.launcher.querySelector(".unread");
    if (mark instanceof HTMLElement) mark.hidden = !unread;
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    event.stopPropagation();
    this.close();
  }
}
