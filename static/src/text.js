/** Text as the protocol counts it: in Unicode code points, while JavaScript counts UTF-16 units. Pure. */

/**
 * The number of code points.
 * @param {string} text
 */
export function codePointLength(text) {
  let pairs = 0;
  for (let index = 0; index < text.length; index += 1) {
    if (startsPair(text, index)) {
      pairs += 1;
      index += 1;
    }
  }
  return text.length - pairs;
}

/**
 * The first `count` code points.
 * @param {string} text
 * @param {number} count
 */
export function takeCodePoints(text, count) {
  if (text.length <= count) return text;
  let index = 0;
  for (let taken = 0; taken < count && index < text.length; taken += 1) {
    index += startsPair(text, index) ? 2 : 1;
  }
  return text.slice(0, index);
}

/**
 * What the server would take of a typed text: no NUL, no lone surrogates, no blank edges.
 * @param {string} text
 */
export function cleanInput(text) {
  return text
    .replaceAll("\u0000", "")
    .replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD")
    .trim();
}

/**
 * The words of a message's content; parts that are not text are left out.
 * @param {string | import("./protocol.js").Part[]} content
 */
export function contentText(content) {
  if (typeof content === "string") return content;
  return content
    .map((part) => part.text)
    .filter((text) => text !== undefined)
    .join("\n");
}

/**
 * @param {string} text
 * @param {number} index
 */
function startsPair(text, index) {
  const first = text.charCodeAt(index);
  if (first < 0xd800 || first > 0xdbff) return false;
  const second = text.charCodeAt(index + 1);
  return second >= 0xdc00 && second <= 0xdfff;
}
