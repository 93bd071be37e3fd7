/**
 * Carries out what the session machine wants: the WebSocket, the timers, the page's signs of life. It
 * reconnects for ever, unless a close code forbids it.
 *
 * Events: `change` (something that is shown may have changed), `notice` (detail `{code, message}`).
 *
 * @typedef {import("./session.js").Session} Session
 * @typedef {import("./session.js").Action} Action
 */
import { CredentialRefused } from "./identity.js";
import { SUBPROTOCOL } from "./protocol.js";
import { reconnectDelayMs, verdictOn } from "./reconnect.js";

const TICK_MS = 1_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** A tick that comes this late means that the machine slept. */
const SLEPT_MS = 10_000;
/** After this long a connection counts as stable, and the next failure begins with the shortest delay. */
const STABLE_MS = 10_000;
const PROBE_CHECK_MS = 3_050;

export class Connection extends EventTarget {
  /**
   * @param {object} options
   * @param {string} options.url of the WebSocket
   * @param {Session} options.session
   * @param {() => Promise<Record<string, string>>} options.credential
   * @param {(items: import("./outbox.js").Outgoing[]) => void} options.save
   */
  constructor({ url, session, credential, save }) {
    super();
    this.url = url;
    this.session = session;
    this.credential = credential;
    this.save = save;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retryTimer = undefined;
    /** When the next attempt is made, Unix milliseconds; null: now, or never. @type {number | null} */
    this.retryAt = null;
    /** @type {import("./reconnect.js").StopReason | null} */
    this.stopReason = null;
    this.attempt = 0;
    this.generation = 0;
    /** A credential is being fetched; its answer counts only in the generation that asked. */
    this.isAsking = false;
    this.connectingSince = 0;
    this.lastTick = Date.now();
    this.renewed = false;
    this.lifetime = new AbortController();
  }

  /** Connect, and stay connected until `stop`. */
  start() {
    this.lifetime = new AbortController();
    const { signal } = this.lifetime;
    addEventListener("online", () => this.wake(), { signal });
    addEventListener("offline", () => this.wake(), { signal });
    addEventListener("pageshow", () => this.wake(), { signal });
    addEventListener("pagehide", () => this.#drop(1000), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.wake(), { signal });
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#connect();
  }

  /** Leave for good, and leave nothing behind. */
  stop() {
    this.lifetime.abort();
    this.#drop(1000);
    clearTimeout(this.retryTimer);
  }

  /** Be connected now: at once where a delay runs, and with a proof of life where a connection stands. */
  wake() {
    if (this.stopReason !== null) return;
    if (this.socket === null) {
      this.#connect();
      return;
    }
    this.run(this.session.wake(Date.now()));
    setTimeout(() => this.#tick(), PROBE_CHECK_MS);
  }

  /** The user asks to try again after the client gave up. */
  restart() {
    this.stopReason = null;
    this.renewed = false;
    this.attempt = 0;
    this.#drop(1000);
    this.#connect();
  }

  /** Carry out what the machine gave back. @param {Action[]} actions */
  run(actions) {
    for (const action of actions) {
      switch (action.kind) {
        case "send":
          if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(action.frame));
          break;
        case "close":
          this.#drop(1000);
          this.#connect();
          break;
        case "renew":
          this.#renew();
          break;
        case "save":
          this.save(this.session.outbox.items);
          break;
        case "notice":
          this.dispatchEvent(new CustomEvent("notice", { detail: action }));
          break;
      }
    }
    this.dispatchEvent(new Event("change"));
  }

  async #connect() {
    clearTimeout(this.retryTimer);
    this.retryAt = null;
    if (this.socket !== null || this.isAsking || this.lifetime.signal.aborted) return;
    const generation = ++this.generation;
    this.isAsking = true;
    this.connectingSince = Date.now();
    let credential;
    try {
      credential = await this.credential();
    } catch (error) {
      if (generation !== this.generation) return;
      this.isAsking = false;
      if (error instanceof CredentialRefused) this.#giveUp("unauthorized");
      else this.#later(0);
      return;
    }
    if (generation !== this.generation || this.lifetime.signal.aborted) return;
    this.isAsking = false;
    this.#openSocket(credential);
  }

  /** @param {Record<string, string>} credential */
  #openSocket(credential) {
    const socket = new WebSocket(this.url, [SUBPROTOCOL]);
    this.socket = socket;
    socket.onopen = () => this.run(this.session.connected(Date.now(), credential));
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.run(this.session.received(event.data, Date.now()));
    };
    socket.onclose = (event) => this.#closed(event.code);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} code */
  #closed(code) {
    const wasStable = this.session.phase === "live" && Date.now() - this.session.liveSince >= STABLE_MS;
    const mayOpenAgain = code === 4502 && this.session.reopenAt !== null;
    const { drainMs } = this.session;
    this.#forget();
    this.run(this.session.disconnected(code));
    if (wasStable) this.attempt = 0;
    const verdict = verdictOn(code);
    if (verdict.again || mayOpenAgain) this.#later(Math.max(drainMs, verdict.again ? verdict.leastMs : 0));
    else this.#giveUp(verdict.reason);
  }

  /** @param {number} leastMs */
  #later(leastMs) {
    const delayMs = Math.max(leastMs, reconnectDelayMs(this.attempt, Math.random));
    this.attempt += 1;
    this.retryAt = Date.now() + delayMs;
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.#connect(), delayMs);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {import("./reconnect.js").StopReason} reason */
  #giveUp(reason) {
    this.stopReason = reason;
    this.session.stop();
    this.dispatchEvent(new Event("change"));
  }

  /** The credential was refused: one more with a fresh one, then give up. */
  #renew() {
    this.#drop(1000);
    if (this.renewed) return this.#giveUp("unauthorized");
    this.renewed = true;
    return this.#connect();
  }

  #tick() {
    const now = Date.now();
    const slept = now - this.lastTick > SLEPT_MS;
    this.lastTick = now;
    if (slept) this.wake();
    if (this.socket?.readyState === WebSocket.CONNECTING && now - this.connectingSince > CONNECT_TIMEOUT_MS) {
      this.#drop(1000);
      this.#later(0);
    }
    if (this.session.phase === "live" && now - this.session.liveSince >= STABLE_MS) {
      this.attempt = 0;
      this.renewed = false;
    }
    const actions = this.session.tick(now);
    if (actions.length > 0) this.run(actions);
  }

  /** Close without waiting for the other side, which may be gone. @param {number} code */
  #drop(code) {
    const { socket } = this;
    this.#forget();
    if (socket === null) return;
    socket.close(code);
    this.run(this.session.disconnected(code));
  }

  #forget() {
    this.generation += 1;
    this.isAsking = false;
    if (this.socket !== null) this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket = null;
  }
}
