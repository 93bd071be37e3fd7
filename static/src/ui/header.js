/** Who one talks with, whether the connection stands, and the colours. */
import { icon, iconButton, make, setText } from "../dom.js";
import { remember, remembered } from "../identity.js";

/** @typedef {"auto" | "light" | "dark"} Theme */

const THEME_KEY = "prosa.theme";
/** @type {Theme[]} */
const THEMES = ["auto", "light", "dark"];
/** @type {Record<Theme, { shape: import("../dom.js").IconName, label: import("../strings.js").StringKey }>} */
const LOOKS = {
  auto: { shape: "auto", label: "themeAuto" },
  light: { shape: "sun", label: "themeLight" },
  dark: { shape: "moon", label: "themeDark" },
};

export class Header {
  /**
   * @param {import("../strings.js").Translator} words
   * @param {object} options
   * @param {string} options.title
   * @param {boolean} options.isPage then the title is the page's own heading
   * @param {() => void} options.close
   * @param {() => void} options.themed the choice of colours changed
   */
  constructor(words, { title, isPage, close, themed }) {
    this.words = words;
    this.themed = themed;
    this.theme = THEMES.find((theme) => theme === remembered(THEME_KEY)) ?? "auto";
    this.title = make(isPage ? "h1" : "h2", { class: "title" }, title);
    this.initial = make("span", { class: "avatar", "aria-hidden": "true" }, title.slice(0, 1));
    this.state = make("span", { class: "state", role: "status" });
    this.badge = make("span", { class: "badge", hidden: true, title: words.say("offlineHint") }, words.say("offlineBadge"));
    this.themeButton = iconButton("auto", "", { class: "quiet", onclick: () => this.#nextTheme() });
    this.closeButton = iconButton("cross", words.say("close"), { class: "quiet", hidden: isPage, onclick: close });
    this.element = make(
      "header",
      { class: "head" },
      this.initial,
      make("div", { class: "who" }, make("div", { class: "names" }, this.title, this.badge), this.state),
      this.themeButton,
      this.closeButton,
    );
    this.#showTheme();
  }

  /** @param {{ title: string, state: import("../strings.js").StringKey, offline: boolean }} shown */
  update({ title, state, offline }) {
    setText(this.title, title);
    setText(this.initial, title.slice(0, 1));
    setText(this.state, this.words.say(state));
    this.state.dataset["state"] = state;
    this.badge.hidden = !offline;
  }

  #nextTheme() {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] ?? "auto";
    remember(THEME_KEY, this.theme === "auto" ? null : this.theme);
    this.#showTheme();
    this.themed();
  }

  #showTheme() {
    const { shape, label } = LOOKS[this.theme];
    this.themeButton.replaceChildren(icon(shape));
    this.themeButton.setAttribute("aria-label", this.words.say(label));
    this.themeButton.title = this.words.say(label);
  }
}
