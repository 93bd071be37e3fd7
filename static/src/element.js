/** `<prosa-chat>`: the chat as an element, whose attributes are the options (config.js). */
import { Chat } from "./chat.js";

export class ProsaChat extends HTMLElement {
  /** @type {Chat | undefined} */
  #chat;

  connectedCallback() {
    // Moving the element in the document takes it out and in: begin anew, the server has it all.
    this.#chat = new Chat(this);
    this.#chat.start();
  }

  disconnectedCallback() {
    this.#chat?.leave();
    this.#chat = undefined;
  }

  /** Open the bubble's panel. */
  open() {
    this.#chat?.open();
  }

  /** Close the bubble's panel. */
  close() {
    this.#chat?.close();
  }
}

/** Define `<prosa-chat>`, once a page. */
export function defineChat() {
  if (customElements.get("prosa-chat") === undefined) customElements.define("prosa-chat", ProsaChat);
}
