/** The conversation before its first word. */
import { make } from "../dom.js";

/**
 * @param {HTMLElement} place
 * @param {import("../strings.js").Translator} words
 * @param {string[]} starters questions to begin with
 * @param {(text: string) => void} send
 */
export function showEmpty(place, words, starters, send) {
  const wanted = JSON.stringify(starters);
  if (place.dataset["shown"] === wanted) return;
  place.dataset["shown"] = wanted;
  const buttons = starters.map((text) =>
    make("li", {}, make("button", { type: "button", class: "starter", onclick: () => send(text) }, text)),
  );
  place.replaceChildren(
    make("p", { class: "greeting" }, words.say("greeting")),
    make("p", { class: "faint" }, words.say(starters.length > 0 ? "greetingHint" : "greetingBare")),
    ...(buttons.length > 0 ? [make("ul", { class: "starters", "data-count": String(buttons.length) }, ...buttons)] : []),
  );
}
