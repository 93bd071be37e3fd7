/** Making elements without HTML text: what a model or a user wrote is only ever a text node. */

/**
 * @typedef {Record<string, string | boolean | null | undefined | EventListener | ((event: any) => void)>} Attributes
 */

/**
 * Make an element. An attribute that is a function listens to the event of its name (`onclick`); false and
 * null leave it out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Strokes on a grid of 24, our own drawings. */
const SHAPES = {
  send: ["M12 19V5", "M5.5 11.5 12 5l6.5 6.5"],
  stop: ["M8 8h8v8H8z"],
  copy: ["M9 9h10v11H9z", "M5 15V4h10"],
  check: ["m5 12.5 4.5 4.5L19 7"],
  cross: ["m6 6 12 12", "M18 6 6 18"],
  again: ["M4.5 12a7.5 7.5 0 1 0 2.6-5.7", "M4.5 4.5v4h4"],
  up: ["M7 20V10.5L11.2 3c1.5.2 2.3 1.3 2 2.8l-.7 3.7H18c1.3 0 2.1 1.1 1.8 2.3l-1.5 6.4c-.3 1.1-1.2 1.8-2.3 1.8z", "M3.5 10.5V20"],
  down: ["M17 4v9.500L12.8 21c-1.5-.2-2.3-1.3-2-2.800l.7-3.700H6c-1.3 0-2.1-1.1-1.8-2.300l1.5-6.400C6 4.7 6.9 4 8 4z", "M20.5 13.500V4"],
  bottom: ["M12 5v14", "m5.5 12.5 6.5 6.5 6.5-6.5"],
  chat: ["M4 5.500h16v11H10.500L6 20.500v-4H4z"],
  lower: ["m5 9 7 7 7-7"],
  chevron: ["m9 6 6 6-6 6"],
  sun: ["M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z", "M12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M5.3 18.700l1.4-1.400M17.3 6.700l1.4-1.4"],
  moon: ["M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500z"],
  auto: ["M12 3.500a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z", "M12 3.500v17"],
};

/** @typedef {keyof typeof SHAPES} IconName */

/** A drawing beside a label; screen readers skip it. @param {IconName} name */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const shape of SHAPES[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}

/** @param {IconName} name @param {string} label @param {Attributes} attributes */
export function iconButton(name, label, attributes) {
  return make("button", { type: "button", "aria-label": label, title: label, ...attributes }, icon(name));
}

/** Set a text only where it differs, so that live regions stay quiet. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {string} text @returns {Promise<boolean>} whether it is on the clipboard */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or not a secure context
  }
}
