/**
 * Markdown that is still being written, as DOM. Text is only ever a text node: there is no raw HTML, no
 * `innerHTML`, no remote image, and links have one of a few schemes (links.js).
 */
import * as smd from "streaming-markdown";
import { copyText, icon, iconButton, make } from "./dom.js";
import { safeLink } from "./links.js";

/**
 * Characters that the parser must not see: it would take `$name$` for an equation and `a_b_c` for
 * emphasis. They travel as Unicode noncharacters (U+FDD0, U+FDD1: never in an interchanged text).
 */
const DOLLAR = "\uFDD0";
const UNDERSCORE = "\uFDD1";

/** One character that is most likely only itself. */
const PLAIN = /^[\p{L}\p{N}\p{Extended_Pictographic}.,;:?!)…"'%]$/u;
/** An amount, a share or a count, such as `US$ 1.153.214`, `-3,5 %`, `52`: set to the right in a table. */
const NUMBER = /^\s*[-+−]?\s*(?:[A-Z]{0,3}[$€£]|USD|BRL|EUR|GBP|ARS|CLP|COP|MXN)?\s*[-+−]?\d[\d\s.,]*%?\s*$/;
const TEXT_PLACES = new Set(["P", "LI", "STRONG", "EM", "S", "H3", "TD", "TH"]);

export class MarkdownView {
  /** @param {import("./strings.js").Translator} words */
  constructor(words) {
    this.words = words;
    this.element = make("div", { class: "markdown" });
    /** The parser holds back the last character, for it may begin something; this shows it meanwhile. */
    this.ghost = document.createTextNode("");
    /** The elements that are not whole yet, outermost first. @type {HTMLElement[]} */
    this.open = [this.element];
    this.parser = smd.parser(renderer(this.open, words));
    this.text = "";
    this.held = "";
    this.lastChar = "";
    this.ended = false;
  }

  /** The text so far. Cheap where it only grew; anything else is parsed from its beginning. @param {string} text */
  update(text) {
    if (text === this.text) return;
    if (this.ended || !text.startsWith(this.text)) this.#restart();
    const addition = text.slice(this.text.length);
    this.text = text;
    this.ghost.remove();
    this.#write(addition);
    this.#showGhost();
  }

  /** Nothing more will come. */
  end() {
    if (this.ended) return;
    this.ended = true;
    this.ghost.remove();
    const rest = this.held;
    this.held = "";
    if (rest !== "") smd.parser_write(this.parser, shielded(rest, this.lastChar, ""));
    smd.parser_end(this.parser);
  }

  /** @param {string} addition */
  #write(addition) {
    const whole = this.held + addition;
    // What an underscore means depends on the character after it, which may not be here yet.
    const cut = whole.endsWith("_") ? whole.length - 1 : whole.length;
    const ready = whole.slice(0, cut);
    this.held = whole.slice(cut);
    if (ready === "") return;
    smd.parser_write(this.parser, shielded(ready, this.lastChar, this.held));
    this.lastChar = ready.at(-1) ?? "";
  }

  #showGhost() {
    const { pending } = this.parser;
    const place = this.open.at(-1) ?? this.element;
    if (!PLAIN.test(pending) || !TEXT_PLACES.has(place.tagName)) return;
    this.ghost.data = pending;
    place.append(this.ghost);
  }

  #restart() {
    this.text = "";
    this.held = "";
    this.lastChar = "";
    this.ended = false;
    this.element.replaceChildren();
    this.open = [this.element];
    this.parser = smd.parser(renderer(this.open, this.words));
  }
}

/** @param {string} text @param {string} before @param {string} after */
function shielded(text, before, after) {
  const around = before + text + after;
  const safe = around.replace(/(?<=[\p{L}\p{N}])_(?=[\p{L}\p{N}])/gu, UNDERSCORE).replaceAll("$", DOLLAR);
  return safe.slice(before.length, before.length + text.length);
}

/** @param {string} text */
function unshielded(text) {
  return text.replaceAll(DOLLAR, "$").replaceAll(UNDERSCORE, "_");
}

/**
 * @param {HTMLElement[]} open the root, to which what is opened is added
 * @param {import("./strings.js").Translator} words
 * @returns {smd.Any_Renderer}
 */
function renderer(open, words) {
  const top = () => /** @type {HTMLElement} */ (open.at(-1));
  return {
    data: null,
    add_token: (_, token) => {
      if (token !== smd.DOCUMENT) open.push(opened(token, top(), words));
    },
    end_token: () => {
      const element = open.length > 1 ? open.pop() : undefined;
      if (element !== undefined) finish(element);
    },
    add_text: (_, text) => top().append(unshielded(text)),
    set_attr: (_, attribute, value) => setAttribute(top(), attribute, unshielded(value)),
  };
}

/** @type {Partial<Record<number, keyof HTMLElementTagNameMap>>} */
const TAGS = {
  [smd.PARAGRAPH]: "p",
  [smd.CODE_INLINE]: "code",
  [smd.ITALIC_AST]: "em",
  [smd.ITALIC_UND]: "em",
  [smd.STRONG_AST]: "strong",
  [smd.STRONG_UND]: "strong",
  [smd.STRIKE]: "s",
  [smd.LINK]: "a",
  [smd.RAW_URL]: "a",
  [smd.BLOCKQUOTE]: "blockquote",
  [smd.LINE_BREAK]: "br",
  [smd.RULE]: "hr",
  [smd.LIST_UNORDERED]: "ul",
  [smd.LIST_ORDERED]: "ol",
  [smd.LIST_ITEM]: "li",
  [smd.EQUATION_BLOCK]: "code",
  [smd.EQUATION_INLINE]: "code",
};

/** @type {Partial<Record<number, string>>} */
const HEADINGS = {
  [smd.HEADING_1]: "1",
  [smd.HEADING_2]: "2",
  [smd.HEADING_3]: "3",
  [smd.HEADING_4]: "4",
  [smd.HEADING_5]: "4",
  [smd.HEADING_6]: "4",
};

/** @param {smd.Token} token @param {HTMLElement} parent @param {import("./strings.js").Translator} words */
function opened(token, parent, words) {
  const level = HEADINGS[token];
  // Each message is a heading of level 2 for screen readers; those inside it are one below, whatever their look.
  if (level !== undefined) return append(parent, make("h3", { "data-level": level }));
  switch (token) {
    case smd.CODE_BLOCK:
    case smd.CODE_FENCE:
      return openCode(parent, words);
    case smd.TABLE:
      return openTable(parent, words);
    case smd.TABLE_ROW:
      return openRow(parent);
    case smd.TABLE_CELL:
      return append(parent, parent.dataset["head"] === "yes" ? make("th", { scope: "col" }) : make("td"));
    case smd.CHECKBOX:
      return append(parent, make("span", { class: "checkbox" }, "☐ "));
    case smd.IMAGE:
      return append(parent, make("a", { class: "image" }, `${words.say("image")}: `));
    default:
      return append(parent, make(TAGS[token] ?? "span"));
  }
}

/** @template {HTMLElement} E @param {HTMLElement} parent @param {E} child */
function append(parent, child) {
  parent.append(child);
  return child;
}

/** @param {HTMLElement} parent @param {import("./strings.js").Translator} words */
function openCode(parent, words) {
  const code = make("code");
  const copy = iconButton("copy", words.say("copyCode"), {
    class: "tiny",
    onclick: async () => {
      if (await copyText(code.textContent ?? "")) copy.replaceChildren(icon("check"));
    },
  });
  const bar = make("div", { class: "codebar" }, make("span", { class: "language" }), copy);
  const pre = make("pre", { tabindex: "0", role: "region", "aria-label": words.say("code") }, code);
  parent.append(make("div", { class: "codeblock" }, bar, pre));
  return code;
}

/** @param {HTMLElement} parent @param {import("./strings.js").Translator} words */
function openTable(parent, words) {
  const table = make("table", {}, make("thead"), make("tbody"));
  parent.append(make("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": words.say("table") }, table));
  return table;
}

/** @param {HTMLElement} table */
function openRow(table) {
  const [head, body] = table.children;
  const isHead = head?.childElementCount === 0;
  const row = make("tr", isHead ? { "data-head": "yes" } : {});
  (isHead ? head : body)?.append(row);
  return row;
}

/** An element is whole. @param {HTMLElement} element */
function finish(element) {
  // `[1]` that no address follows is no link.
  if (element.tagName === "A" && !element.hasAttribute("href") && element.dataset["refused"] === undefined) {
    element.prepend("[");
    element.append("]");
  }
  if (element.tagName === "TD" && NUMBER.test(element.textContent ?? "")) {
    element.classList.add("number");
    const column = [...(element.parentElement?.children ?? [])].indexOf(element);
    element.closest("table")?.querySelectorAll("th")[column]?.classList.add("number");
  }
}

/** @param {HTMLElement} element @param {smd.Attr} attribute @param {string} value */
function setAttribute(element, attribute, value) {
  switch (attribute) {
    case smd.HREF:
    case smd.SRC: {
      const href = safeLink(value);
      if (href === null) {
        element.dataset["refused"] = "yes";
        return;
      }
      element.setAttribute("href", href);
      element.setAttribute("target", "_blank");
      element.setAttribute("rel", "noopener noreferrer nofollow");
      return;
    }
    case smd.LANG: {
      const language = element.closest(".codeblock")?.querySelector(".language");
      if (language instanceof HTMLElement) language.textContent = value;
      return;
    }
    case smd.START:
      if (/^\d{1,6}$/.test(value)) element.setAttribute("start", value);
      return;
    case smd.CHECKED:
      element.textContent = "☑ ";
      return;
  }
}
