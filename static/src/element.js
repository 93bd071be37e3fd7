/**
 * `<prosa-chat>`: the chat, as a page or as a bubble on somebody's site. It puts the parts together and
 * draws at most once a frame; what is shown follows from the session machine alone.
 */
import { ATTRIBUTES, fetchConfig, optionsOf, socketUrl } from "./config.js";
import { Connection } from "./connection.js";
import { accentColors, parseHex } from "./color.js";
import { icon, make, setText } from "./dom.js";
import { credentialFor, localUserId, newId } from "./identity.js";
import { rowsOf } from "./rows.js";
import { SavedOutbox } from "./savedoutbox.js";
import { Session } from "./session.js";
import { Translator, errorKey, pickLanguage } from "./strings.js";
import css from "./styles.css";
import { Bubble } from "./ui/bubble.js";
import { Composer } from "./ui/composer.js";
import { Header } from "./ui/header.js";
import { Log } from "./ui/log.js";
import { showEmpty } from "./ui/empty.js";

/** @typedef {import("./strings.js").StringKey} StringKey */

const ACCENT = "#0f6b63";
/** @type {Record<"light" | "dark", import("./color.js").Rgb>} the surfaces of styles.css */
const SURFACES = { light: [251, 250, 247], dark: [24, 23, 21] };
const NOTICE_MS = 10_000;

/** @type {Record<import("./reconnect.js").StopReason, StringKey>} */
const STOPS = {
  unauthorized: "stopUnauthorized",
  forbidden: "stopForbidden",
  erased: "stopErased",
  connections: "stopConnections",
  frames: "stopFrames",
  ended: "stopEnded",
};

export class ProsaChat extends HTMLElement {
  connectedCallback() {
    // Moving the element in the document disconnects and connects it: begin anew, the server has it all.
    this.options = optionsOf(this);
    const { options } = this;
    this.lifetime = new AbortController();
    const language = pickLanguage([options.lang, ...(options.lang === undefined ? navigator.languages : [])]);
    const locale = [options.lang, ...navigator.languages].find((tag) => tag?.toLowerCase().startsWith(language));
    this.words = new Translator(language, locale ?? language);
    /** @type {import("./config.js").ServerConfig} */
    this.server = {};
    this.lang = locale ?? language;
    this.#start();
    this.#build();
    this.#followTheme();
    this.#followViewport();
    this.connection?.start();
    this.#configure();
    this.#draw();
  }

  disconnectedCallback() {
    this.lifetime?.abort();
    this.connection?.stop();
    this.log?.watcher.disconnect();
    this.shadowRoot?.replaceChildren();
  }

  /** The bubble's panel: open it. */
  open() {
    this.bubble?.open();
  }

  /** The bubble's panel: close it. */
  close() {
    this.bubble?.close();
  }

  // ------------------------------------------------------------ putting together

  #start() {
    const { options } = /** @type {{ options: import("./config.js").Options }} */ (this);
    const trusted = options.token !== undefined || options.ticketUrl !== undefined;
    const userId = options.user ?? (trusted ? null : localUserId());
    const saved = new SavedOutbox(userId === null ? null : `${userId}.${options.session ?? "main"}`);
    /** @type {ConstructorParameters<typeof Session>[0]} */
    const setup = { newId, saved: saved.load(), now: Date.now(), client: clientInfo(this.lang) };
    if (options.agent !== undefined) setup.agent = options.agent;
    if (options.session !== undefined) setup.name = options.session;
    this.session = new Session(setup);
    this.connection = new Connection({
      url: socketUrl(options.server),
      session: this.session,
      credential: () =>
        credentialFor({ userId: options.user, token: options.token, ticketUrl: options.ticketUrl }),
      save: (items) => saved.save(items),
    });
    this.connection.addEventListener("change", () => this.#schedule());
    this.connection.addEventListener("notice", (event) => {
      this.#notify(this.words.say(errorKey(/** @type {CustomEvent} */ (event).detail.code)));
    });
  }

  #build() {
    const { words, options } = this;
    const isPage = options.mode === "page";
    this.header = new Header(words, {
      title: this.chatTitle,
      isPage,
      close: () => this.close(),
      themed: () => this.#showTheme(),
    });
    this.log = new Log(words, () => this.connection?.run(this.session.loadOlder()));
    this.composer = new Composer(words, {
      send: (text) => this.#say(text),
      stop: () => this.#stop(),
    });
    this.bannerText = make("span");
    this.bannerButton = make(
      "button",
      { type: "button", class: "link", onclick: () => this.#tryNow() },
      words.say("tryNow"),
    );
    this.banner = make("div", { class: "banner", hidden: true, role: "status" }, this.bannerText, this.bannerButton);
    this.notice = make("div", { class: "notice", hidden: true, role: "alert" });
    this.typing = make("p", { class: "typing", role: "status" });
    this.voice = make("div", { class: "sr", "aria-live": "polite", role: "log", "aria-label": words.say("chat") });
    const body = make(
      isPage ? "main" : "div",
      { class: "body" },
      this.banner,
      this.log.element,
      this.typing,
      this.notice,
      this.composer.element,
    );
    const shell = make("div", { class: "shell" }, this.header.element, body, this.voice);
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    this.bubble = isPage ? null : new Bubble(words, shell, () => this.composer?.focus());
    root.replaceChildren(this.bubble?.element ?? shell);
    if (isPage) document.documentElement.lang = this.lang;
  }

  async #configure() {
    const { options, lifetime } = this;
    if (options === undefined) return;
    const config = await fetchConfig(options);
    if (lifetime?.signal.aborted) return;
    this.server = config;
    this.#schedule();
  }

  get chatTitle() {
    return this.options?.title ?? this.server?.title ?? "Prosa";
  }

  // ------------------------------------------------------------ what the user does

  /** @param {string} text */
  #say(text) {
    this.#quiet();
    this.log?.toEnd();
    this.connection?.run(this.session.say(text, Date.now()));
  }

  #stop() {
    const turnId = this.session.view?.turn?.turn_id ?? this.session.view?.queue[0]?.turn_id;
    if (turnId !== undefined) this.connection?.run(this.session.cancel(turnId));
  }

  #tryNow() {
    if (this.connection?.stopReason) this.connection.restart();
    else this.connection?.wake();
  }

  /** @param {string} cid */
  #resend(cid) {
    const { text, actions } = this.session.discard(cid);
    this.connection?.run(actions);
    this.#say(text);
  }

  /** @param {string} cid */
  #discard(cid) {
    const { text, actions } = this.session.discard(cid);
    this.connection?.run(actions);
    this.composer?.giveBack(text);
  }

  // ------------------------------------------------------------ drawing

  #schedule() {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = undefined;
    const { session, connection, words } = this;
    if (connection === undefined || words === undefined) return;
    const rows = rowsOf(session.view, session.outbox.items);
    const running = session.view !== null && (session.view.turn !== null || session.view.queue.length > 0);
    const turnId = session.view?.turn?.turn_id ?? session.view?.queue[0]?.turn_id ?? "";
    this.header?.update({ title: this.chatTitle, state: this.#state(), offline: this.#isOffline() });
    this.log?.update(rows, this.#context(), { more: session.view?.more ?? false, loading: session.loadingOlder });
    this.composer?.update({
      running,
      stopping: session.isPending("turn.cancel", turnId),
      limit: session.limits.message_chars,
    });
    this.#drawEmpty(rows.length === 0 && (session.view !== null || connection.attempt > 0));
    this.#drawBanner();
    setText(/** @type {HTMLElement} */ (this.typing), session.typing === null ? "" : words.say("typing"));
    this.bubble?.update({ answers: rows.filter((row) => row.kind === "answer" && !row.running).length, live: session.phase === "live" });
    if (this.options?.mode === "page") document.title = this.chatTitle;
  }

  /** @returns {import("./ui/answer.js").RowContext} */
  #context() {
    const { session, words } = this;
    const run = (/** @type {import("./session.js").Action[]} */ actions) => this.connection?.run(actions);
    return {
      words: /** @type {Translator} */ (words),
      title: this.chatTitle,
      connected: session.phase === "live" || session.phase === "catching-up" || session.phase === "opening",
      session,
      retry: (turnId) => run(session.retry(turnId)),
      cancel: (turnId) => run(session.cancel(turnId)),
      rate: (messageId, score) => run(session.rate(messageId, score)),
      respond: (approvalId, approved) => run(session.respond(approvalId, approved)),
      resend: (cid) => this.#resend(cid),
      discard: (cid) => this.#discard(cid),
      announce: (text) => this.#announce(text),
      explain: (code) => /** @type {Translator} */ (words).say(errorKey(code)),
    };
  }

  /** @returns {StringKey} */
  #state() {
    if (this.connection?.stopReason) return "stopEnded";
    if (this.session.phase === "live") return "online";
    return this.session.view === null ? "connecting" : "reconnecting";
  }

  /** The last turn that named a provider decides; before that, what the server says. */
  #isOffline() {
    const named = [...(this.session.view?.details.values() ?? [])].findLast((details) => details.provider !== undefined);
    return named === undefined ? this.server?.offline === true : named.provider === "offline";
  }

  /** @param {boolean} isEmpty */
  #drawEmpty(isEmpty) {
    const { log, words } = this;
    if (log === undefined || words === undefined) return;
    log.empty.hidden = !isEmpty;
    if (isEmpty) showEmpty(log.empty, words, this.server?.starters?.[words.language] ?? [], (text) => this.#say(text));
  }

  #drawBanner() {
    const { banner, bannerText, connection, words } = this;
    if (!banner || !bannerText || !connection || !words) return;
    const away = this.session.phase === "away" && (connection.attempt >= 2 || !navigator.onLine);
    const key = connection.stopReason ? STOPS[connection.stopReason] : away ? "away" : null;
    banner.hidden = key === null;
    banner.classList.toggle("severe", connection.stopReason !== null);
    setText(bannerText, key === null ? "" : words.say(key));
  }

  // ------------------------------------------------------------ saying things

  /** @param {string} text for screen readers */
  #announce(text) {
    const { voice } = this;
    if (voice === undefined || text === "") return;
    voice.append(make("p", {}, text));
    while (voice.childElementCount > 5) voice.firstElementChild?.remove();
  }

  /** @param {string} text */
  #notify(text) {
    const { notice } = this;
    if (notice === undefined) return;
    const dismiss = make(
      "button",
      { type: "button", class: "quiet small", "aria-label": "×", onclick: () => this.#quiet() },
      icon("cross"),
    );
    notice.replaceChildren(make("span", {}, text), dismiss);
    notice.hidden = false;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => this.#quiet(), NOTICE_MS);
  }

  #quiet() {
    clearTimeout(this.noticeTimer);
    if (this.notice !== undefined) this.notice.hidden = true;
  }

  // ------------------------------------------------------------ colours and size

  #followTheme() {
    this.darkSystem = matchMedia("(prefers-color-scheme: dark)");
    const signal = this.lifetime?.signal;
    this.darkSystem.addEventListener("change", () => this.#showTheme(), signal === undefined ? {} : { signal });
    this.#showTheme();
  }

  #showTheme() {
    const choice = this.header?.theme ?? "auto";
    const theme = choice === "auto" ? (this.darkSystem?.matches ? "dark" : "light") : choice;
    this.dataset["theme"] = theme;
    if (this.options?.mode === "page") document.documentElement.dataset["theme"] = theme;
    const accent = parseHex(this.options?.accent ?? "") ?? parseHex(ACCENT) ?? [0, 0, 0];
    const { fill, ink, onFill } = accentColors(accent, SURFACES[theme]);
    this.style.setProperty("--accent", fill);
    this.style.setProperty("--accent-ink", ink);
    this.style.setProperty("--on-accent", onFill);
  }

  /** The keyboard of a phone covers the page without resizing it (iOS): fit into what is left. */
  #followViewport() {
    const viewport = window.visualViewport;
    if (!viewport) return;
    const fit = () => {
      this.style.setProperty("--visible-height", `${viewport.height}px`);
      this.style.setProperty("--visible-top", `${viewport.offsetTop}px`);
    };
    const options = this.lifetime === undefined ? {} : { signal: this.lifetime.signal };
    viewport.addEventListener("resize", fit, options);
    viewport.addEventListener("scroll", fit, options);
    fit();
  }

  // ------------------------------------------------------------ parts, made on connection

  /** @type {import("./config.js").Options | undefined} */ options;
  /** @type {AbortController | undefined} */ lifetime;
  /** @type {Connection | undefined} */ connection;
  /** @type {Header | undefined} */ header;
  /** @type {Log | undefined} */ log;
  /** @type {Composer | undefined} */ composer;
  /** @type {number | undefined} */ frame;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ noticeTimer;
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

/** @param {string} locale */
function clientInfo(locale) {
  return { name: "prosa-web", version: "1.0.0", locale, tz: Intl.DateTimeFormat().resolvedOptions().timeZone };
}

/** Define `<prosa-chat>`, once a page. */
export function defineChat() {
  if (customElements.get("prosa-chat") === undefined) customElements.define("prosa-chat", ProsaChat);
}

export { ATTRIBUTES };
