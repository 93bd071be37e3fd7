/**
 * The script that a page includes: `<script src="https://chat.example/widget.js" data-title="...">`. It
 * defines `<prosa-chat>` and, unless the page has written one itself (`data-mode="none"`), adds one.
 */
import { ATTRIBUTES } from "./config.js";
import { defineChat } from "./element.js";

const script = document.currentScript;

/** @param {HTMLScriptElement} from */
function addChat(from) {
  const chat = document.createElement("prosa-chat");
  for (const name of ATTRIBUTES) {
    const value = from.getAttribute(`data-${name}`);
    if (value !== null) chat.setAttribute(name, value);
  }
  if (!chat.hasAttribute("server")) chat.setAttribute("server", new URL(".", from.src).href);
  document.body.append(chat);
}

defineChat();
if (script instanceof HTMLScriptElement && script.dataset["mode"] !== "none") {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", () => addChat(script));
  else addChat(script);
}
