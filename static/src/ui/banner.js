/** What the user should know about the connection (Banner), or about what was just tried (Notice). */
import { icon, make, setText } from "../dom.js";

const NOTICE_MS = 10_000;

export class Banner {
  /** @param {import("../strings.js").Translator} words @param {() => void} tryNow */
  constructor(words, tryNow) {
    this.words = words;
    this.text = make("span");
    const button = make("button", { type: "button", class: "link", onclick: tryNow }, words.say("tryNow"));
    this.element = make("div", { class: "banner", hidden: true, role: "status" }, this.text, button);
  }

  /** @param {import("../strings.js").StringKey | null} key null hides it @param {boolean} severe the client gave up */
  update(key, severe) {
    this.element.hidden = key === null;
    this.element.classList.toggle("severe", severe);
    setText(this.text, key === null ? "" : this.words.say(key));
  }
}

export class Notice {
  /** @param {import("../strings.js").Translator} words */
  constructor(words) {
    this.text = make("span");
    const attributes = { type: "button", class: "quiet small", "aria-label": words.say("dismiss"), onclick: () => this.hide() };
    this.element = make("div", { class: "notice", hidden: true, role: "alert" }, this.text, make("button", attributes, icon("cross")));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Show a sentence, for 10 s. @param {string} text */
  show(text) {
    this.element.hidden = false;
    setText(this.text, text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), NOTICE_MS);
  }

  hide() {
    clearTimeout(this.timer);
    this.element.hidden = true;
    setText(this.text, "");
  }
}
