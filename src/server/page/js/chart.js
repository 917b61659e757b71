// Bars that one brushes over, and what stands where there is nothing.

/** @import { Child } from "./dom.js" */

import { h, s } from "./dom.js";
import { number, span } from "./format.js";

/** Pixels that a mark below bars needs. */
const MARK = 64;

/**
 * Bars over time with a window that is drawn over them, by pointer or by keys.
 *
 * @param {{
 *   bins: string[], counts: number[], range: [number, number] | null, label: string, high?: number,
 *   brushed: (range: [number, number] | null, isDone: boolean) => void
 * }} options
 */
export function histogram({ bins, counts, range: first, label, high = 96, brushed }) {
  let range = first;
  const most = Math.max(1, ...counts);
  const n = Math.max(1, bins.length);
  const rects = counts.map((count, i) => {
    const tall = count ? Math.max(1, (count / most) * (high - 2)) : 0;
    return s("rect", { x: i + 0.06, y: high - tall, width: 0.88, height: tall }, s("title", null, `${span(bins[i] ?? "")}: ${number(count)}`));
  });
  const pane = h("div", { class: "brush-window", hidden: true });
  const handle = (/** @type {string} */ name) => h("div", { class: "brush-handle", role: "slider", tabindex: "0", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": n - 1 });
  const from = handle(`${label}: from`);
  const to = handle(`${label}: to`);
  const track = h(
    "div",
    { class: "brush-track", vars: { high: `${high}px` } },
    s("svg", { class: "brush-bars", viewBox: `0 0 ${n} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true" }, rects),
    pane,
    from,
    to,
  );
  const axis = h("div", { class: "brush-axis", "aria-hidden": "true" });
  // As many marks as there is room for, each of them whole.
  new ResizeObserver(() => {
    const wide = axis.clientWidth;
    axis.replaceChildren();
    if (bins.length < 2 || !wide) return;
    for (const [i, text] of ticks(bins, Math.max(1, Math.min(8, Math.floor(wide / MARK))))) {
      const mark = h("span", null, text);
      mark.style.left = `${(100 * i) / n}%`;
      axis.append(mark);
      if (mark.offsetLeft + mark.offsetWidth > wide) mark.remove();
    }
  }).observe(axis);
  const element = h("div", { class: "brush", role: "group", "aria-label": label }, track, axis);

  function show() {
    const [a, b] = range ?? [0, n - 1];
    pane.hidden = !range;
    pane.style.left = `${(100 * a) / n}%`;
    pane.style.width = `${(100 * (b - a + 1)) / n}%`;
    from.style.left = `${(100 * a) / n}%`;
    to.style.left = `${(100 * (b + 1)) / n}%`;
    rects.forEach((rect, i) => rect.classList.toggle("is-off", range !== null && (i < a || i > b)));
    for (const [el, i] of /** @type {[HTMLElement, number][]} */ ([[from, a], [to, b]])) {
      el.setAttribute("aria-valuenow", String(i));
      el.setAttribute("aria-valuetext", span(bins[i] ?? ""));
    }
  }
  /** @param {[number, number] | null} next @param {boolean} isDone */
  function set(next, isDone) {
    range = next && [Math.max(0, Math.min(next[0], next[1])), Math.min(n - 1, Math.max(next[0], next[1]))];
    show();
    brushed(range, isDone);
  }
  const bin = (/** @type {PointerEvent} */ e) => {
    const box = track.getBoundingClientRect();
    return Math.min(n - 1, Math.max(0, Math.floor(((e.clientX - box.left) / box.width) * n)));
  };
  /** @type {{ at: number, kind: "new" | "from" | "to" | "move", range: [number, number], moved: boolean } | null} */
  let drag = null;
  track.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    e.preventDefault();
    track.setPointerCapture(e.pointerId);
    const at = bin(e);
    const kind = e.target === from && range ? "from" : e.target === to && range ? "to" : range && at > range[0] && at < range[1] ? "move" : "new";
    drag = { at, kind, range: range ?? [at, at], moved: false };
  });
  track.addEventListener("pointermove", (e) => {
    if (!drag) return;
    const at = bin(e);
    if (at === drag.at && !drag.moved) return;
    drag.moved = true;
    const [a, b] = drag.range;
    if (drag.kind === "new") set([drag.at, at], false);
    else if (drag.kind === "from") set([at, b], false);
    else if (drag.kind === "to") set([a, at], false);
    else {
      const by = Math.min(n - 1 - b, Math.max(-a, at - drag.at));
      set([a + by, b + by], false);
    }
  });
  const drop = () => {
    if (!drag) return;
    const { moved, at } = drag;
    drag = null;
    // A click on a bar chooses it, and a second click lets it go.
    if (!moved) set(range && range[0] === at && range[1] === at ? null : [at, at], true);
    else set(range, true);
  };
  track.addEventListener("pointerup", drop);
  track.addEventListener("pointercancel", drop);
  for (const [el, end] of /** @type {[HTMLElement, 0 | 1][]} */ ([[from, 0], [to, 1]])) {
    el.addEventListener("keydown", (e) => {
      const by = e.key === "ArrowLeft" ? -1 : e.key === "ArrowRight" ? 1 : e.key === "Home" ? -n : e.key === "End" ? n : 0;
      if (e.key === "Escape" && range) {
        e.stopPropagation();
        set(null, true);
      }
      if (!by) return;
      e.preventDefault();
      const next = /** @type {[number, number]} */ ([...(range ?? [0, n - 1])]);
      next[end] = Math.min(n - 1, Math.max(0, next[end] + by));
      set(next, true);
    });
  }
  show();
  return { element, set };
}

/** Where years (or the first bins of something) begin. @param {string[]} bins @param {number} most @returns {[number, string][]} */
function ticks(bins, most) {
  /** @type {[number, string][]} */
  let out = [];
  bins.forEach((bin, i) => {
    if (i === 0 || bin.slice(0, 4) !== (bins[i - 1] ?? "").slice(0, 4)) out.push([i, bin.slice(0, 4)]);
  });
  if (out.length < 3) {
    const step = Math.max(1, Math.ceil(bins.length / Math.min(6, most)));
    out = bins.flatMap((bin, i) => (i % step === 0 ? [/** @type {[number, string]} */ ([i, span(bin)])] : []));
  }
  const step = Math.ceil(out.length / most);
  const kept = out.filter((_, i) => i % step === 0);
  // Two labels need room between them.
  return kept.filter(([i], k) => k === 0 || i - (kept[k - 1]?.[0] ?? 0) >= bins.length / (2 * most));
}

/**
 * What one sees where there is nothing, or something went wrong.
 *
 * @param {string} title @param {...(Child | Child[])} more
 */
export const empty = (title, ...more) => h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), ...more);

/** @param {unknown} error */
export const problem = (error) =>
  h("p", { class: "problem", role: "alert" }, error instanceof Error ? error.message : String(error));

/** Places where something will be. @param {number} n */
export const bones = (n) => Array.from({ length: n }, () => h("div", { class: "bone-block", "aria-hidden": "true" }, h("div", { class: "bone short" }), h("div", { class: "bone" }), h("div", { class: "bone" })));
