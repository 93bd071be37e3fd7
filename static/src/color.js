/** The accent colour made readable: contrast by WCAG 2.2 (1.4.3), so that any brand colour may be given. Pure. */

/** @typedef {[number, number, number]} Rgb 0 to 255 each */

const ENOUGH = 4.6;

/**
 * `#rgb` or `#rrggbb`, else null.
 * @param {string} text
 * @returns {Rgb | null}
 */
export function parseHex(text) {
  const short = /^#([\da-f])([\da-f])([\da-f])$/i.exec(text.trim());
  const long = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(text.trim());
  const parts = short?.slice(1).map((digit) => digit + digit) ?? long?.slice(1);
  return parts === undefined ? null : /** @type {Rgb} */ (parts.map((part) => Number.parseInt(part, 16)));
}

/** @param {Rgb} rgb */
export function toHex(rgb) {
  return `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

/** The contrast ratio of two colours, 1 to 21. @param {Rgb} a @param {Rgb} b */
export function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (/** @type {number} */ (high) + 0.05) / (/** @type {number} */ (low) + 0.05);
}

/**
 * The colours that follow from an accent on a surface: `ink` reads on the surface, `onFill` reads on the
 * accent itself.
 * @param {Rgb} accent
 * @param {Rgb} surface
 * @returns {{ fill: string, ink: string, onFill: string }}
 */
export function accentColors(accent, surface) {
  /** @type {Rgb} */
  const white = [255, 255, 255];
  /** @type {Rgb} */
  const black = [17, 17, 17];
  const away = contrast(surface, white) > contrast(surface, black) ? white : black;
  const onFill = contrast(accent, white) >= ENOUGH ? white : black;
  const fill = toward(accent, onFill === white ? black : white, (color) => contrast(color, onFill) >= ENOUGH);
  const ink = toward(accent, away, (color) => contrast(color, surface) >= ENOUGH + 0.6);
  return { fill: toHex(fill), ink: toHex(ink), onFill: toHex(onFill) };
}

/** Mix in `goal` by steps until it is good enough. @param {Rgb} from @param {Rgb} goal @param {(color: Rgb) => boolean} enough */
function toward(from, goal, enough) {
  for (let share = 0; share < 1; share += 0.04) {
    const mixed = /** @type {Rgb} */ (from.map((part, index) => part + (goal[index] ?? 0) * share - part * share));
    if (enough(mixed)) return mixed;
  }
  return goal;
}

/** @param {Rgb} rgb */
function luminance(rgb) {
  const [red, green, blue] = /** @type {Rgb} */ (
    rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    })
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
