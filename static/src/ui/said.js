/** What people said: the user's own messages, sent or still waiting, and those of the team. */
import { make, setText } from "../dom.js";

/**
 * @typedef {import("./answer.js").RowContext} RowContext
 * @typedef {import("../rows.js").UserRow} UserRow
 * @typedef {import("../rows.js").OperatorRow} OperatorRow
 */

export class UserView {
  /** @param {RowContext} context */
  constructor(context) {
    this.bubble = make("div", { class: "bubble", dir: "auto" });
    this.state = make("div", { class: "saidstate", hidden: true });
    this.element = make(
      "article",
      { class: "row user" },
      make("h2", { class: "sr" }, context.words.say("you")),
      this.bubble,
      this.state,
    );
  }

  /** @param {UserRow} row @param {RowContext} context */
  update(row, context) {
    setText(this.bubble, row.text);
    const wanted = stateName(row, context);
    this.element.classList.toggle("unsent", row.outgoing !== null);
    if (this.state.dataset["shown"] === wanted) return;
    this.state.dataset["shown"] = wanted;
    this.state.hidden = wanted === "";
    this.state.replaceChildren(...stateParts(row, context));
  }
}

export class OperatorView {
  /** @param {RowContext} context */
  constructor(context) {
    this.body = make("div", { class: "bubble", dir: "auto" });
    this.element = make(
      "article",
      { class: "row operator" },
      make("h2", { class: "sr" }, context.words.say("operator")),
      make("p", { class: "saidby", "aria-hidden": "true" }, context.words.say("team")),
      this.body,
    );
  }

  /** @param {OperatorRow} row */
  update(row) {
    setText(this.body, row.text);
  }
}

/** A name for what is shown below the bubble; the same name, nothing to do. @param {UserRow} row @param {RowContext} context */
function stateName(row, context) {
  if (row.queued !== null) return `queued ${row.queued}`;
  if (row.outgoing === null) return "";
  if (row.outgoing.state === "refused") return `refused ${row.outgoing.error?.code}`;
  if (!context.connected) return "away";
  return row.outgoing.retryAt === undefined ? "sending" : "postponed";
}

/** @param {UserRow} row @param {RowContext} context */
function stateParts(row, context) {
  const { words } = context;
  const { queued, outgoing } = row;
  if (queued !== null) {
    return [words.say("queued"), link(words.say("unqueue"), () => context.cancel(queued))];
  }
  if (outgoing === null) return [];
  if (outgoing.state === "refused") {
    return [
      make("span", { class: "bad" }, refusal(outgoing, context)),
      link(words.say("resend"), () => context.resend(outgoing.cid)),
      link(words.say("discard"), () => context.discard(outgoing.cid)),
    ];
  }
  if (!context.connected) return [words.say("unsent"), link(words.say("discard"), () => context.discard(outgoing.cid))];
  return [words.say(outgoing.retryAt === undefined ? "sending" : "postponed")];
}

/** @param {import("../outbox.js").Outgoing} outgoing @param {RowContext} context */
function refusal(outgoing, context) {
  const code = outgoing.error?.code;
  if (code === "expired") return context.words.say("expired");
  return `${context.words.say("refused")}. ${context.explain(code)}`;
}

/** @param {string} label @param {() => void} act */
function link(label, act) {
  return make("button", { type: "button", class: "link", onclick: act }, label);
}
