// Elements. Texts of articles are only ever text: there is no way here to write markup.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. `onclick` and the like are listeners, `vars` are CSS variables, `true` is an
 * attribute without a value; `false` and null leave an attribute out. An `href` that is a function
 * is asked for once more when the link is used: what stands in the address may have changed.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, any> | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(name, props, ...children) {
  const element = document.createElement(name);
  set(element, props ?? {});
  add(element, children);
  return element;
}

/** Whether the screen is as small as a phone's, as style.css has it. */
export const phone = matchMedia("(max-width: 620px)");

/** The namespace of drawings, from the one in the page: no address stands in the script. */
const SVG = document.querySelector("svg")?.namespaceURI ?? "";

/**
 * An element of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, any> | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(name, props, ...children) {
  const element = /** @type {SVGElementTagNameMap[K]} */ (document.createElementNS(SVG, name));
  set(element, props ?? {});
  add(element, children);
  return element;
}

/** Where links lead that depend on where one is. @type {WeakMap<Element, () => string>} */
const leads = new WeakMap();
for (const name of ["click", "auxclick", "contextmenu", "focusin"]) {
  document.addEventListener(
    name,
    (e) => {
      const link = e.target instanceof Element ? e.target.closest("a") : null;
      const lead = link && leads.get(link);
      if (link && lead) link.setAttribute("href", lead());
    },
    true,
  );
}

/** @param {Element & ElementCSSInlineStyle} element @param {Record<string, any>} props */
export function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "vars") {
      for (const [key, text] of Object.entries(value)) element.style.setProperty(`--${key}`, String(text));
    } else if (name === "href" && typeof value === "function") {
      leads.set(element, value);
      element.setAttribute("href", value());
    } else if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value === false || value === null || value === undefined) {
      element.removeAttribute(name);
    } else if (name === "value") {
      /** @type {HTMLInputElement} */ (/** @type {unknown} */ (element)).value = String(value);
    } else {
      element.setAttribute(name, String(value));
    }
  }
}

/** @param {Element} element @param {(Child | Child[])[]} children */
function add(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
}

/** @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

/**
 * The element of the page with this id, which index.html has.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function at(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no ${id}`);
  return element;
}

/** Paths of icons, in a square of 24. @type {Record<string, string>} */
const ICONS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  map: "M8 8.5h.01M15.5 6h.01M17 13h.01M10.5 14.5h.01M6 17.5h.01M13 18.5h.01M12 10h.01M18.5 18h.01",
  topics: "M5 6h6M5 12h10M5 18h14M18 6h1M18 12h1",
  time: "M4 19h16M5 15l4-5 4 3 6-8",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  lasso: "M12 4.5c4.7 0 8 2.1 8 5s-3.3 5-8 5-8-2.1-8-5 3.3-5 8-5zM7.5 14c-1.5 1.5-.5 3.5 1.5 3.2M9 17c-.2 1.5-1.2 2.6-2.7 3",
  play: "M8 5.5v13l11-6.5z",
  pause: "M8 5v14M16 5v14",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  down: "M12 5v13M6.5 12.5 12 18l5.5-5.5",
  left: "M14.5 6 8.5 12l6 6",
  right: "M9.5 6l6 6-6 6",
  link: "M9.5 14.5l5-5M8 11.5l-2.2 2.2a3.2 3.2 0 0 0 4.5 4.5L12.5 16M16 12.5l2.2-2.2a3.2 3.2 0 0 0-4.5-4.5L11.5 8",
  help: "M9.3 9.3a2.8 2.8 0 1 1 4 2.6c-.9.4-1.3 1-1.3 2M12 17.5h.01",
  filter: "M4 6h16M7 12h10M10 18h4",
  out: "M10 5H5v14h14v-5M13 5h6v6M19 5l-8.5 8.5",
};

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  return s(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: ICONS[name] ?? "" }),
  );
}
