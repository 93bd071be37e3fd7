/** Who talks: command ids, the user of the development default, and credentials. Web storage may be refused: then nothing is kept. */

const USER_KEY = "prosa.user";
const VISITOR_KEY = "prosa.visitor";

/** A UUIDv7 (RFC 9562, 5.7): sorts by time. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const now = Date.now();
  for (let index = 0; index < 6; index += 1) bytes[index] = Math.floor(now / 2 ** (8 * (5 - index))) & 0xff;
  bytes[6] = 0x70 | (/** @type {number} */ (bytes[6]) & 0x0f);
  bytes[8] = 0x80 | (/** @type {number} */ (bytes[8]) & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @param {string} key @returns {string | null} */
export function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string | null} value null forgets */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Storage is full or refused (private mode, a sandboxed frame): the chat works on without it.
  }
}

/** The visitor's own id where no credential says who they are: random, kept in this browser. */
export function localUserId() {
  const known = remembered(USER_KEY);
  if (known !== null) return known;
  const made = `web-${newId()}`;
  remember(USER_KEY, made);
  return made;
}

/** The server does not let this user in; asking again does not help. */
export class CredentialRefused extends Error {}

/**
 * What goes into `session.open`. A ticket is used once, so each connection gets its own. A token that may speak for
 * any user (a service key) needs `data-user` beside it.
 *
 * Throws CredentialRefused (401, 403) or another error (the network; try again).
 * @param {{ userId?: string | undefined, token?: string | undefined, ticketUrl?: string | undefined }} options
 * @returns {Promise<Record<string, string>>}
 */
export async function credentialFor({ userId, token, ticketUrl }) {
  if (ticketUrl !== undefined) return { ticket: await fetchTicket(ticketUrl) };
  if (token !== undefined) return userId === undefined ? { token } : { token, user_id: userId };
  return { user_id: userId ?? localUserId() };
}

/** @param {string} url */
async function fetchTicket(url) {
  const visitor = remembered(VISITOR_KEY);
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(visitor === null ? {} : { visitor_token: visitor }),
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status === 401 || response.status === 403) throw new CredentialRefused(`HTTP ${response.status}`);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const answer = await response.json();
  if (typeof answer.visitor_token === "string") remember(VISITOR_KEY, answer.visitor_token);
  if (typeof answer.ticket !== "string") throw new Error("the answer holds no ticket");
  return answer.ticket;
}
