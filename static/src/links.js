/** Which addresses a link may have. Everything else is shown as text. Pure. */

const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);

/**
 * The address to link to, or null where the scheme is not allowed (`javascript:`, `data:`, ...). Only whole
 * addresses count: a relative one would mean the page that the chat happens to be on.
 * @param {string} address
 * @returns {string | null}
 */
export function safeLink(address) {
  let url;
  try {
    url = new URL(address.trim());
  } catch {
    return null;
  }
  return SCHEMES.has(url.protocol) ? url.href : null;
}
