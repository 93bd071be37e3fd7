/**
 * The client's end of protocol v1 as a machine: it eats frames and the clock and gives back actions. No
 * socket, no DOM, no timer; `connection.js` carries the actions out.
 *
 * It holds the cursor (`view.epoch`, `view.seq`), applies each event exactly once, opens anew on a gap,
 * takes a snapshot where resuming is refused, and sends again what was not answered.
 *
 * @typedef {import("./protocol.js").Frame} Frame
 * @typedef {{ kind: "send", frame: Frame }
 *   | { kind: "close", why: string }
 *   | { kind: "renew" }
 *   | { kind: "save" }
 *   | { kind: "notice", code: string, message: string }} Action
 *   `close`: drop the connection and come back at once. `renew`: the credential was refused, get another.
 *   `save`: the outbox changed. `notice`: tell the user.
 * @typedef {"away" | "opening" | "catching-up" | "live" | "stopped"} Phase
 */
import { Commands, isTooLate } from "./commands.js";
import { apply, fromSnapshot } from "./fold.js";
import { History } from "./history.js";
import { Outbox } from "./outbox.js";
import { MESSAGE_CHARS, SIGNALS, parseFrames } from "./protocol.js";
import { Pulse } from "./pulse.js";

const OPEN_TIMEOUT_MS = 10_000;

export class Session {
  /** A snapshot is on its way: events before it belong to another life of the log. */
  expectSnapshot = true;

  /** Whether the log may be read on from where the view stands. */
  resumable = true;

  /**
   * @param {object} options
   * @param {() => string} options.newId makes a cid
   * @param {string} [options.agent] the agent that is asked
   * @param {string} [options.name] the session's name; the user's `main` by default
   * @param {Frame["client"]} [options.client] who this client is
   * @param {import("./outbox.js").Outgoing[]} [options.saved]
   * @param {number} options.now Unix milliseconds
   */
  constructor({ newId, agent, name, client, saved = [], now }) {
    this.newId = newId;
    this.agent = agent;
    this.client = client;
    /** @type {string | undefined} */
    this.sessionId = name;
    this.outbox = new Outbox(saved, now);
    /** @type {import("./fold.js").View | null} */
    this.view = null;
    /** @type {Phase} */
    this.phase = "away";
    this.userId = "";
    this.commands = new Commands();
    this.history = new History();
    /** @type {Map<string, number>} what this client thinks of answers, by message_id */
    this.scores = new Map();
    this.limits = { message_chars: MESSAGE_CHARS };
    /** @type {string | null} who else types */
    this.typing = null;
    this.liveSince = 0;
    this.drainMs = 0;
    this.pulse = new Pulse(now);
    /** @type {Record<string, string>} */
    this.credential = {};
    this.openCid = "";
    this.openedAt = 0;
    /** @type {number | null} when a refused but retryable open is repeated */
    this.reopenAt = null;
    this.gaps = 0;
    /** @type {Action[]} */
    this.actions = [];
  }

  // ------------------------------------------------------------ what happens

  /**
   * A connection stands.
   * @param {number} now
   * @param {Record<string, string>} credential `ticket`, `token` or `user_id`
   */
  connected(now, credential) {
    this.credential = credential;
    this.pulse.begin(now);
    this.drainMs = 0;
    this.gaps = 0;
    this.outbox.rewind();
    this.#open(now);
    return this.#take();
  }

  /** The connection is gone. @param {number} code */
  disconnected(code) {
    this.phase = "away";
    this.reopenAt = null;
    this.typing = null;
    this.history.isLoading = false;
    this.commands.disconnected();
    const underWay = this.outbox.items.find((item) => item.state === "sent");
    if (code === 1009 && underWay !== undefined) {
      this.outbox.refuse(underWay, { code: "too_large", message: "" });
      this.#act({ kind: "save" });
    }
    return this.#take();
  }

  /**
   * A text frame came: one object, or an array of them. What is not understood is ignored.
   * @param {string} data
   * @param {number} now
   */
  received(data, now) {
    this.pulse.begin(now);
    for (const frame of parseFrames(data)) this.#receive(frame, now);
    return this.#take();
  }

  /** Time passes; called about once a second and after each deadline. @param {number} now */
  tick(now) {
    if (this.phase !== "away" && this.phase !== "stopped") this.#watch(now);
    if (this.outbox.expire(now)) this.#act({ kind: "save" });
    this.#pump(now);
    return this.#take();
  }

  /** The page came back from sleep: is the connection alive? It has 3 s to show it. @param {number} now */
  wake(now) {
    if (this.phase !== "away" && this.phase !== "stopped" && this.pulse.probe(now)) {
      this.#send({ type: "ping", t: now });
    }
    return this.#take();
  }

  /** The client gave up, or was told to. */
  stop() {
    this.phase = "stopped";
  }

  // ------------------------------------------------------------ what the user asks

  /** @param {string} text @param {number} now */
  say(text, now) {
    /** @type {import("./outbox.js").Outgoing} */
    const item = { cid: this.newId(), text, createdAt: now, state: "waiting" };
    if (this.agent !== undefined) item.agent = this.agent;
    this.outbox.add(item);
    this.#act({ kind: "save" });
    this.#pump(now);
    return this.#take();
  }

  /** Forget a message that was not accepted. Gives its text. @param {string} cid */
  discard(cid) {
    const text = this.outbox.find(cid)?.text ?? "";
    this.outbox.remove(cid);
    this.#act({ kind: "save" });
    return { text, actions: this.#take() };
  }

  /**
   * A command that is sent now or as soon as possible, and again until it is answered: `turn.cancel`,
   * `turn.retry`, `approval.respond`.
   * @param {Frame} fields all but `cid` and `session_id`
   */
  ask(fields) {
    const frame = { ...fields, cid: this.newId(), session_id: this.sessionId };
    this.commands.add(frame);
    if (this.phase === "live") this.#send(frame);
    return this.#take();
  }

  /** @param {string} messageId @param {-1 | 1} score */
  rate(messageId, score) {
    this.scores.set(messageId, score);
    return this.ask({ type: "feedback.create", message_id: messageId, score });
  }

  /** Whether an approval has an answer of this client that is under way or was taken. @param {string} approvalId */
  isAnswered(approvalId) {
    return this.commands.answered.has(approvalId);
  }

  /** Ask for the messages before the oldest that is held. */
  loadOlder() {
    const fields = this.phase === "live" ? this.history.next(this.view) : null;
    return fields === null ? [] : this.ask(fields);
  }

  /** Whether a command of that type about that turn has no answer yet. @param {string} type @param {string} turnId */
  isPending(type, turnId) {
    return this.commands.has(type, turnId);
  }

  // ------------------------------------------------------------ frames

  /** @param {Frame} frame @param {number} now */
  #receive(frame, now) {
    if (!SIGNALS.has(frame.type)) {
      if (Number.isInteger(frame.seq) && frame.session_id === this.sessionId) this.#event(frame, now);
      return;
    }
    switch (frame.type) {
      case "session.opened":
        return this.#opened(frame, now);
      case "session.snapshot":
        return this.#snapshot(frame, now);
      case "session.live":
        return this.#live(now);
      case "session.erased":
        this.view = null;
        this.outbox.items = [];
        return this.#act({ kind: "save" });
      case "ok":
        return this.#ok(frame, now);
      case "error":
        return this.#error(frame, now);
      case "history":
        return this.#older(frame);
      case "typing":
        this.typing = frame.on && frame.by !== this.userId ? frame.by : null;
        return undefined;
      case "ping":
        return this.#send(frame.t === undefined ? { type: "pong" } : { type: "pong", t: frame.t });
      case "server.draining":
        this.drainMs = Number(frame.reconnect_in_ms) || 0;
        return undefined;
      default:
        return undefined;
    }
  }

  /** @param {Frame} frame @param {number} now */
  #opened(frame, now) {
    if (frame.re !== undefined && frame.re !== this.openCid) return;
    this.sessionId = frame.session_id;
    this.userId = frame.user_id ?? this.userId;
    this.pulse.intervalMs = frame.heartbeat?.interval_ms ?? this.pulse.intervalMs;
    this.limits = { ...this.limits, ...frame.limits };
    this.phase = "catching-up";
    this.expectSnapshot = !frame.recovered;
    if (frame.recovered && frame.epoch !== this.view?.epoch) this.#reopen(now, true);
  }

  /** @param {Frame} frame @param {number} now */
  #snapshot(frame, now) {
    if (frame.session_id !== this.sessionId) return;
    const anew = this.view !== null && this.view.epoch !== frame.epoch;
    this.view = fromSnapshot(frame, this.view);
    this.expectSnapshot = false;
    this.resumable = true;
    this.history.reset(this.view);
    this.commands.replaced();
    if (!anew) return;
    this.outbox.repair(new Set(this.view.messages.flatMap((message) => message.re ?? [])), now);
    this.#pump(now);
  }

  /** @param {number} now */
  #live(now) {
    if (this.phase !== "catching-up") return;
    this.phase = "live";
    this.liveSince = now;
    for (const frame of this.commands.all()) this.#send({ ...frame, session_id: this.sessionId });
    this.#pump(now);
  }

  /** @param {Frame} event @param {number} now */
  #event(event, now) {
    const view = this.view;
    if (view === null || this.expectSnapshot || event.seq <= view.seq) return;
    if (event.seq !== view.seq + 1) {
      if (this.phase !== "opening") this.#reopen(now, this.gaps >= 2);
      return;
    }
    if (!apply(view, event)) return this.#reopen(now, true);
    if (this.phase === "live") this.gaps = 0;
    if (event.type === "session.merged") this.#move(event.into, now);
  }

  /** @param {Frame} frame @param {number} now */
  #ok(frame, now) {
    const command = this.commands.take(frame.re);
    if (isTooLate(command, frame)) this.#act({ kind: "notice", code: "decided", message: "" });
    const item = this.outbox.find(frame.re);
    if (item === undefined) return;
    this.outbox.accept(item, frame.turn_id, now);
    this.#act({ kind: "save" });
    this.#pump(now);
  }

  /** @param {Frame} frame @param {number} now */
  #error(frame, now) {
    if (frame.re !== undefined && frame.re === this.openCid && this.phase === "opening") {
      return this.#refused(frame, now);
    }
    const item = this.outbox.find(frame.re);
    if (item !== undefined) return this.#messageRefused(item, frame, now);
    const command = this.commands.refuse(frame.re);
    if (command === undefined) return undefined;
    if (command.type === "history.get") this.history.isLoading = false;
    if (command.type === "feedback.create") this.scores.delete(command.message_id);
    return this.#act({ kind: "notice", code: frame.code, message: frame.message });
  }

  /** @param {import("./outbox.js").Outgoing} item @param {Frame} frame @param {number} now */
  #messageRefused(item, frame, now) {
    if (frame.code === "moved" && frame.session_id && frame.session_id !== this.sessionId) {
      item.state = "waiting";
      return this.#move(frame.session_id, now);
    }
    if (frame.retryable) this.outbox.postpone(item, frame.retry_after_ms, now);
    else this.outbox.refuse(item, { code: frame.code, message: frame.message });
    this.#act({ kind: "save" });
    return this.#pump(now);
  }

  /** The open was refused. @param {Frame} frame @param {number} now */
  #refused(frame, now) {
    if (frame.retryable) {
      this.reopenAt = now + Math.min(frame.retry_after_ms ?? 1_000, 3_000);
      return;
    }
    if (frame.code === "not_found" && this.view !== null) {
      this.view = null;
      this.sessionId = undefined;
      return this.#open(now);
    }
    this.#act({ kind: "notice", code: frame.code, message: frame.message });
    if (frame.code === "unauthorized") this.#act({ kind: "renew" });
  }

  /** @param {Frame} frame */
  #older(frame) {
    const asked = this.commands.take(frame.re);
    if (this.view !== null && asked !== undefined) this.history.merge(this.view, frame, asked);
  }

  // ------------------------------------------------------------ what we do

  /** @param {number} now */
  #open(now) {
    this.phase = "opening";
    this.openedAt = now;
    this.reopenAt = null;
    this.openCid = this.newId();
    /** @type {Frame} */
    const frame = { type: "session.open", cid: this.openCid, ...this.credential, channel: "web" };
    if (this.sessionId !== undefined) frame.session_id = this.sessionId;
    if (this.view !== null && this.resumable) frame.resume = { epoch: this.view.epoch, seq: this.view.seq };
    if (this.client !== undefined) frame.client = this.client;
    this.#send(frame);
  }

  /** Events are missing or do not fit: subscribe anew on the same connection. @param {number} now @param {boolean} whole */
  #reopen(now, whole) {
    this.gaps += 1;
    if (whole) this.resumable = false;
    this.#open(now);
  }

  /** @param {string} sessionId @param {number} now */
  #move(sessionId, now) {
    this.sessionId = sessionId;
    this.view = null;
    this.outbox.dropAccepted(); // they are in a log that has ended: the other one need not have them
    this.#open(now);
  }

  /** @param {number} now */
  #watch(now) {
    const waits = this.phase === "opening" && this.reopenAt === null;
    if (waits && now - this.openedAt >= OPEN_TIMEOUT_MS) return this.#act({ kind: "close", why: "open" });
    const symptom = this.pulse.check(now);
    if (symptom === "quiet") this.#send({ type: "ping", t: now });
    else if (symptom !== null) return this.#act({ kind: "close", why: symptom });
    if (this.reopenAt !== null && now >= this.reopenAt) this.#open(now);
    return undefined;
  }

  /** Send the next message that waits. @param {number} now */
  #pump(now) {
    if (this.phase !== "live") return;
    const item = this.outbox.next(now);
    if (item === undefined) return;
    item.state = "sent";
    /** @type {Frame} */
    const frame = { type: "message.send", cid: item.cid, session_id: this.sessionId, content: item.text };
    if (item.agent !== undefined) frame.agent = item.agent;
    this.#send(frame);
  }

  /** @param {Frame} frame */
  #send(frame) {
    this.#act({ kind: "send", frame });
  }

  /** @param {Action} action */
  #act(action) {
    this.actions.push(action);
  }

  #take() {
    const actions = this.actions;
    this.actions = [];
    return actions;
  }
}
