/**
 * What the page or the embedding site asked for, and what the server says of itself.
 *
 * @typedef {object} Options attributes of `<prosa-chat>`, or `data-...` of the script
 * @property {string} server address of the server, with a slash at its end
 * @property {"bubble" | "page"} mode
 * @property {string | undefined} agent
 * @property {string | undefined} user
 * @property {string | undefined} token
 * @property {string | undefined} ticketUrl
 * @property {string | undefined} session
 * @property {string | undefined} lang
 * @property {string | undefined} accent `#rgb` or `#rrggbb`
 * @property {string | undefined} title
 *
 * @typedef {{ title?: string, starters?: Record<string, string[]>, offline?: boolean, model?: string }} ServerConfig
 */

/** The `data-...` names of the script and attribute names of the element that make the options. */
export const ATTRIBUTES = ["server", "mode", "agent", "user", "token", "ticket-url", "session", "lang", "accent", "title"];

/** @param {HTMLElement} element @returns {Options} */
export function optionsOf(element) {
  const read = (/** @type {string} */ name) => element.getAttribute(name) || undefined;
  const server = new URL(read("server") ?? "/", document.baseURI).href;
  const ticketUrl = read("ticket-url");
  return {
    server: server.endsWith("/") ? server : `${server}/`,
    mode: read("mode") === "page" ? "page" : "bubble",
    agent: read("agent"),
    user: read("user"),
    token: read("token"),
    ticketUrl: ticketUrl === undefined ? undefined : new URL(ticketUrl, document.baseURI).href,
    session: read("session"),
    lang: read("lang"),
    accent: read("accent"),
    title: read("title"),
  };
}

/** The address of the WebSocket. @param {string} server */
export function socketUrl(server) {
  const url = new URL("ws", server);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * What the server says of itself; nothing where it cannot be asked, for the chat works without.
 * @param {Options} options
 * @returns {Promise<ServerConfig>}
 */
export async function fetchConfig(options) {
  const url = new URL("api/v1/config", options.server);
  if (options.agent !== undefined) url.searchParams.set("agent", options.agent);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}
