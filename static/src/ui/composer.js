/** Where the user writes. Enter sends, Shift+Enter begins a line, an input method's Enter belongs to it. */
import { iconButton, make, setText } from "../dom.js";
import { cleanInput, codePointLength } from "../text.js";

const TALLEST_PX = 200;

export class Composer {
  /**
   * @param {import("../strings.js").Translator} words
   * @param {{ send: (text: string) => void, stop: () => void }} actions
   */
  constructor(words, { send, stop }) {
    this.words = words;
    this.send = send;
    this.limit = Infinity;
    this.input = make("textarea", {
      rows: "1",
      placeholder: words.say("placeholder"),
      "aria-label": words.say("placeholder"),
      "aria-describedby": "limit",
      dir: "auto",
      enterkeyhint: "send",
      oninput: () => this.#changed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#pressed(event),
    });
    this.stopButton = iconButton("stop", words.say("stop"), {
      class: "round stop",
      hidden: true,
      onclick: () => {
        this.focus(); // the button is about to vanish, and the focus with it
        stop();
      },
    });
    this.sendButton = iconButton("send", words.say("send"), { class: "round send", onclick: () => this.#submit() });
    this.note = make("p", { class: "limit", id: "limit", role: "status" });
    this.element = make(
      "div",
      { class: "composer" },
      make("div", { class: "field" }, this.input, this.stopButton, this.sendButton),
      this.note,
    );
    this.#changed();
  }

  /** @param {{ running: boolean, stopping: boolean, limit: number }} state */
  update({ running, stopping, limit }) {
    this.limit = limit;
    if (!running && this.stopButton.matches(":focus")) this.focus();
    this.stopButton.hidden = !running;
    this.stopButton.toggleAttribute("disabled", stopping);
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  /** Give a text back to its writer, in front of what is there. @param {string} text */
  giveBack(text) {
    this.input.value = [text, this.input.value].filter((part) => part !== "").join("\n");
    this.#changed();
    this.focus();
  }

  #submit() {
    const text = cleanInput(this.input.value);
    if (text === "" || codePointLength(text) > this.limit) return;
    this.input.value = "";
    this.#changed();
    this.send(text);
    this.focus();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // Safari ends a composition before this event and says so only by keyCode 229 (WebKit bug 165004).
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.#submit();
  }

  #changed() {
    const { input } = this;
    input.style.height = "auto"; // one row; what does not fit is measured
    if (input.value !== "") input.style.height = `${Math.min(input.scrollHeight, TALLEST_PX)}px`;
    const length = codePointLength(input.value);
    const values = { count: this.words.number(length), limit: this.words.number(this.limit) };
    const tooLong = length > this.limit;
    setText(this.note, tooLong ? this.words.say("tooLong", values) : "");
    this.sendButton.toggleAttribute("disabled", tooLong || input.value.trim() === "");
  }
}
