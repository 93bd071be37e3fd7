/**
 * One life of the chat in an element of the page. It puts the parts together and draws at most once a
 * frame; what is shown follows from the session machine alone.
 */
import { fetchConfig, optionsOf, socketUrl } from "./config.js";
import { Connection } from "./connection.js";
import { accentColors, parseHex } from "./color.js";
import { make, setText } from "./dom.js";
import { credentialFor, localUserId, newId } from "./identity.js";
import { rowsOf } from "./rows.js";
import { SavedOutbox } from "./savedoutbox.js";
import { Session } from "./session.js";
import { Translator, errorKey, pickLanguage } from "./strings.js";
import css from "./styles.css";
import { Banner, Notice } from "./ui/banner.js";
import { Bubble } from "./ui/bubble.js";
import { Composer } from "./ui/composer.js";
import { Header } from "./ui/header.js";
import { Log } from "./ui/log.js";
import { showEmpty } from "./ui/empty.js";

/** @typedef {import("./strings.js").StringKey} StringKey */

const ACCENT = "#0f6b63";
/** @type {Record<"light" | "dark", import("./color.js").Rgb>} the surfaces of styles.css */
const SURFACES = { light: [251, 250, 247], dark: [24, 23, 21] };

/** @type {Record<import("./reconnect.js").StopReason, StringKey>} */
const STOPS = {
  unauthorized: "stopUnauthorized",
  forbidden: "stopForbidden",
  erased: "stopErased",
  connections: "stopConnections",
  frames: "stopFrames",
  ended: "stopEnded",
};

export class Chat {
  /** @param {HTMLElement} host whose attributes say what is wanted (config.js) */
  constructor(host) {
    this.host = host;
    this.options = optionsOf(host);
    this.isPage = this.options.mode === "page";
    this.lifetime = new AbortController();
    const wished = [this.options.lang, ...(this.options.lang === undefined ? navigator.languages : [])];
    const language = pickLanguage(wished);
    this.locale = [...wished, ...navigator.languages].find((tag) => tag?.toLowerCase().startsWith(language)) ?? language;
    const words = new Translator(language, this.locale);
    this.words = words;
    /** @type {import("./config.js").ServerConfig} */
    this.server = {};
    const saved = new SavedOutbox(this.#savedScope());
    this.session = new Session(this.#setup(saved.load()));
    const { user, token, ticketUrl } = this.options;
    this.connection = new Connection({
      url: socketUrl(this.options.server),
      session: this.session,
      credential: () => credentialFor({ userId: user, token, ticketUrl }),
      save: (items) => saved.save(items),
    });
    const themed = () => this.#showTheme();
    this.header = new Header(words, { title: this.#title(), isPage: this.isPage, close: () => this.close(), themed });
    this.log = new Log(words, () => this.connection.run(this.session.loadOlder()));
    this.composer = new Composer(words, { send: (text) => this.#say(text), stop: () => this.#stop() });
    this.banner = new Banner(words, () => this.#tryNow());
    this.notice = new Notice(words);
    this.typing = make("p", { class: "typing", role: "status" });
    this.voice = make("div", { class: "sr", "aria-live": "polite", role: "log", "aria-label": words.say("chat") });
    const shell = this.#shell();
    this.bubble = this.isPage ? null : new Bubble(words, shell, () => this.composer.focus());
    this.darkSystem = matchMedia("(prefers-color-scheme: dark)");
    /** @type {number | undefined} */
    this.frame = undefined;
    this.#mount(this.bubble?.element ?? shell);
  }

  /** Connect, and follow what happens. */
  start() {
    const { connection, lifetime } = this;
    const { signal } = lifetime;
    connection.addEventListener("change", () => this.#schedule(), { signal });
    const notify = (/** @type {any} */ event) => this.notice.show(this.words.say(errorKey(event.detail.code)));
    connection.addEventListener("notice", notify, { signal });
    this.darkSystem.addEventListener("change", () => this.#showTheme(), { signal });
    this.#showTheme();
    this.#followViewport();
    connection.start();
    this.#configure();
    this.#draw();
  }

  /** Leave nothing behind. */
  leave() {
    this.lifetime.abort();
    this.connection.stop();
    this.log.watcher.disconnect();
    this.notice.hide();
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    this.host.shadowRoot?.replaceChildren();
  }

  open() {
    this.bubble?.open();
  }

  close() {
    this.bubble?.close();
  }

  // ------------------------------------------------------------ putting together

  /** Whose unsent messages may be kept in this browser; null: it is not known here who talks. */
  #savedScope() {
    const { user, token, ticketUrl, session } = this.options;
    const trusted = token !== undefined || ticketUrl !== undefined;
    const userId = user ?? (trusted ? null : localUserId());
    return userId === null ? null : `${userId}.${session ?? "main"}`;
  }

  /** @param {import("./outbox.js").Outgoing[]} saved */
  #setup(saved) {
    const { agent, session } = this.options;
    /** @type {ConstructorParameters<typeof Session>[0]} */
    const setup = { newId, saved, now: Date.now(), client: clientInfo(this.locale) };
    if (agent !== undefined) setup.agent = agent;
    if (session !== undefined) setup.name = session;
    return setup;
  }

  #shell() {
    const { banner, composer, header, log, notice, typing, voice } = this;
    const parts = [banner.element, log.element, typing, notice.element, composer.element];
    const body = make(this.isPage ? "main" : "div", { class: "body" }, ...parts);
    return make("div", { class: "shell" }, header.element, body, voice);
  }

  /** @param {HTMLElement} content */
  #mount(content) {
    const root = this.host.shadowRoot ?? this.host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.replaceChildren(content);
    this.host.lang = this.locale;
    if (this.isPage) document.documentElement.lang = this.locale;
  }

  async #configure() {
    const config = await fetchConfig(this.options);
    if (this.lifetime.signal.aborted) return;
    this.server = config;
    this.#schedule();
  }

  #title() {
    return this.options.title ?? this.server.title ?? "Prosa";
  }

  // ------------------------------------------------------------ what the user does

  /** @param {string} text */
  #say(text) {
    this.notice.hide();
    this.log.toEnd();
    this.connection.run(this.session.say(text, Date.now()));
  }

  #stop() {
    const turnId = this.session.view?.turn?.turn_id ?? this.session.view?.queue[0]?.turn_id;
    if (turnId !== undefined) this.connection.run(this.session.ask({ type: "turn.cancel", turn_id: turnId }));
  }

  #tryNow() {
    if (this.connection.stopReason) this.connection.restart();
    else this.connection.wake();
  }

  /** @param {string} cid */
  #resend(cid) {
    const { text, actions } = this.session.discard(cid);
    this.connection.run(actions);
    this.#say(text);
  }

  /** @param {string} cid */
  #discard(cid) {
    const { text, actions } = this.session.discard(cid);
    this.connection.run(actions);
    this.composer.giveBack(text);
  }

  // ------------------------------------------------------------ drawing

  #schedule() {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = undefined;
    const { session, connection, words } = this;
    const rows = rowsOf(session.view, session.outbox.items);
    const running = session.view !== null && (session.view.turn !== null || session.view.queue.length > 0);
    const turnId = session.view?.turn?.turn_id ?? session.view?.queue[0]?.turn_id ?? "";
    this.header.update({ title: this.#title(), state: this.#state(), offline: this.#isOffline() });
    this.log.update(rows, this.#context(), { more: session.view?.more ?? false, loading: session.history.isLoading });
    this.composer.update({
      running,
      stopping: session.isPending("turn.cancel", turnId),
      limit: session.limits.message_chars,
    });
    this.#drawEmpty(rows.length === 0 && (session.view !== null || connection.attempt > 0));
    this.#drawBanner();
    setText(this.typing, session.typing === null ? "" : words.say("typing"));
    this.bubble?.update({ answers: rows.filter(callsForAttention).length, live: session.phase === "live" });
    if (this.isPage) document.title = this.#title();
  }

  /** @returns {import("./ui/answer.js").RowContext} */
  #context() {
    const { session, words } = this;
    const run = (/** @type {import("./session.js").Action[]} */ actions) => this.connection.run(actions);
    return {
      words,
      title: this.#title(),
      connected: session.phase === "live" || session.phase === "catching-up" || session.phase === "opening",
      session,
      retry: (turnId) => {
        if (!session.isPending("turn.retry", turnId)) run(session.ask({ type: "turn.retry", turn_id: turnId }));
      },
      cancel: (turnId) => run(session.ask({ type: "turn.cancel", turn_id: turnId })),
      rate: (messageId, score) => run(session.rate(messageId, score)),
      respond: (approvalId, approved) => run(session.ask({ type: "approval.respond", approval_id: approvalId, approved })),
      resend: (cid) => this.#resend(cid),
      discard: (cid) => this.#discard(cid),
      announce: (text) => this.#announce(text),
      focus: () => this.composer.focus(),
      explain: (code) => words.say(errorKey(code)),
    };
  }

  /** @returns {StringKey} */
  #state() {
    if (this.connection.stopReason) return "disconnected";
    if (this.session.phase === "live") return "online";
    return this.session.view === null ? "connecting" : "reconnecting";
  }

  /** The last turn that named a provider decides; before that, what the server says. */
  #isOffline() {
    const named = [...(this.session.view?.details.values() ?? [])].findLast((details) => details.provider !== undefined);
    return named === undefined ? this.server.offline === true : named.provider === "offline";
  }

  /** @param {boolean} isEmpty */
  #drawEmpty(isEmpty) {
    const { log, words } = this;
    log.empty.hidden = !isEmpty;
    if (isEmpty) showEmpty(log.empty, words, this.server.starters?.[words.language] ?? [], (text) => this.#say(text));
  }

  #drawBanner() {
    const { connection } = this;
    const away = this.session.phase === "away" && (connection.attempt >= 2 || !navigator.onLine);
    if (connection.stopReason !== null) {
      this.notice.hide(); // the banner says it for good
      this.banner.update(STOPS[connection.stopReason], true);
    } else this.banner.update(away ? "away" : null, false);
  }

  // ------------------------------------------------------------ saying things

  /** @param {string} text for screen readers */
  #announce(text) {
    const { voice } = this;
    if (text === "") return;
    voice.append(make("p", {}, text));
    while (voice.childElementCount > 5) voice.firstElementChild?.remove();
  }

  // ------------------------------------------------------------ colours and size

  #showTheme() {
    const choice = this.header.theme;
    const theme = choice === "auto" ? (this.darkSystem.matches ? "dark" : "light") : choice;
    this.host.dataset["theme"] = theme;
    if (this.isPage) document.documentElement.dataset["theme"] = theme;
    const accent = parseHex(this.options.accent ?? "") ?? parseHex(ACCENT) ?? [0, 0, 0];
    const { fill, ink, onFill } = accentColors(accent, SURFACES[theme]);
    this.host.style.setProperty("--accent", fill);
    this.host.style.setProperty("--accent-ink", ink);
    this.host.style.setProperty("--on-accent", onFill);
  }

  /** The keyboard of a phone covers the page without resizing it (iOS): fit into what is left. */
  #followViewport() {
    const viewport = window.visualViewport;
    if (!viewport) return;
    const fit = () => {
      this.host.style.setProperty("--visible-height", `${viewport.height}px`);
      this.host.style.setProperty("--visible-top", `${viewport.offsetTop}px`);
    };
    const options = { signal: this.lifetime.signal };
    viewport.addEventListener("resize", fit, options);
    viewport.addEventListener("scroll", fit, options);
    fit();
  }
}

/** @type {CSSStyleSheet | undefined} */
let shared;

/** One constructed sheet for all instances: no `<style>`, so a strict content security policy may stay strict. */
function sheet() {
  if (shared === undefined) {
    shared = new CSSStyleSheet();
    shared.replaceSync(css);
  }
  return shared;
}

/** An answer that is whole, or that waits for the user. @param {import("./rows.js").Row} row */
function callsForAttention(row) {
  return row.kind === "answer" && (!row.running || row.approvals.some((approval) => approval.approver === "user"));
}

/** @param {string} locale */
function clientInfo(locale) {
  return { name: "prosa-web", version: "1.0.0", locale, tz: Intl.DateTimeFormat().resolvedOptions().timeZone };
}
