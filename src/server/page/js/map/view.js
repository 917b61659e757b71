// What part of the map is looked at, and the way there.

import { SPAN } from "./points.js";

/** @typedef {{ x: number, y: number, scale: number }} At the middle, and pixels a unit */

/** How far one can go in and out, as multiples of the scale at which all is seen. */
const MOST = 600;
const LEAST = 0.5;

/**
 * A view of a map whose width and height are `wide` and `high` of the longer of both. Units are
 * those of the points: 0 to 65535, stretched by these.
 *
 * @param {number} wide @param {number} high @param {number} [air] the part of the screen that the points take where all are seen
 */
export function createView(wide, high, air = 0.9) {
  const unit = { x: wide, y: high };
  const size = { w: 1, h: 1 };
  /** @type {{ left: number, right: number, top: number, bottom: number }} */
  const edge = { left: 0, right: 0, top: 0, bottom: 0 };
  /** @type {At} */
  const at = { x: (SPAN * wide) / 2, y: (SPAN * high) / 2, scale: 1 };
  let whole = 1;
  let flight = 0;

  const fit = () => {
    const w = Math.max(40, size.w - edge.left - edge.right);
    const h = Math.max(40, size.h - edge.top - edge.bottom);
    return air * Math.min(w / (SPAN * wide), h / (SPAN * high));
  };
  /** Where the map is seen whole, beside what lies over it. @returns {At} */
  const home = () => ({
    x: (SPAN * wide) / 2 - (edge.left - edge.right) / 2 / whole,
    y: (SPAN * high) / 2 - (edge.top - edge.bottom) / 2 / whole,
    scale: whole,
  });
  const bounded = (/** @type {number} */ scale) => Math.min(whole * MOST, Math.max(whole * LEAST, scale));

  return {
    at,
    size,
    unit,
    home,
    /** How far in: 1 where the map is seen whole. */
    zoom: () => at.scale / whole,
    isFlying: () => flight !== 0,
    /** @param {number} w @param {number} h @param {typeof edge} [free] what lies over the edges */
    resize(w, h, free) {
      const before = whole;
      const wasHome = size.w === 1;
      size.w = w;
      size.h = h;
      if (free) Object.assign(edge, free);
      whole = fit();
      if (wasHome) Object.assign(at, home());
      else at.scale *= whole / before;
    },
    /** @param {number} x @param {number} y @returns {[number, number]} */
    toScreen: (x, y) => [(x * wide - at.x) * at.scale + size.w / 2, (y * high - at.y) * at.scale + size.h / 2],
    /** @param {number} px @param {number} py @returns {[number, number]} */
    toMap: (px, py) => [((px - size.w / 2) / at.scale + at.x) / wide, ((py - size.h / 2) / at.scale + at.y) / high],
    /** @param {number} dx @param {number} dy pixels */
    pan(dx, dy) {
      cancelAnimationFrame(flight);
      flight = 0;
      at.x = Math.min(1.2 * SPAN * wide, Math.max(-0.2 * SPAN * wide, at.x - dx / at.scale));
      at.y = Math.min(1.2 * SPAN * high, Math.max(-0.2 * SPAN * high, at.y - dy / at.scale));
    },
    /** @param {number} factor @param {number} px @param {number} py what stays where it is */
    zoomAt(factor, px, py) {
      cancelAnimationFrame(flight);
      flight = 0;
      const scale = bounded(at.scale * factor);
      at.x += (px - size.w / 2) * (1 / at.scale - 1 / scale);
      at.y += (py - size.h / 2) * (1 / at.scale - 1 / scale);
      at.scale = scale;
    },
    /**
     * Goes there, at once for those who want no motion.
     *
     * @param {At} to @param {() => void} moved
     */
    fly(to, moved) {
      cancelAnimationFrame(flight);
      flight = 0;
      const from = { ...at };
      const goal = { ...to, scale: bounded(to.scale) };
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
        Object.assign(at, goal);
        moved();
        return;
      }
      const began = performance.now();
      const step = () => {
        const t = Math.min(1, (performance.now() - began) / 420);
        const eased = 1 - (1 - t) ** 3;
        at.scale = from.scale * (goal.scale / from.scale) ** eased;
        // The goal moves over the screen as evenly as the scale changes.
        const ratio = goal.scale === from.scale ? eased : (1 / from.scale - 1 / at.scale) / (1 / from.scale - 1 / goal.scale);
        at.x = from.x + (goal.x - from.x) * ratio;
        at.y = from.y + (goal.y - from.y) * ratio;
        flight = t < 1 ? requestAnimationFrame(step) : 0;
        moved();
      };
      flight = requestAnimationFrame(step);
    },
    /**
     * Where a box of points fills the screen.
     *
     * @param {number} left @param {number} top @param {number} right @param {number} bottom
     * @returns {At}
     */
    around(left, top, right, bottom) {
      const w = Math.max(400, (right - left) * wide);
      const h = Math.max(400, (bottom - top) * high);
      const scale = bounded(
        0.72 * Math.min((size.w - edge.left - edge.right) / w, (size.h - edge.top - edge.bottom) / h),
      );
      return {
        x: ((left + right) / 2) * wide - (edge.left - edge.right) / 2 / scale,
        y: ((top + bottom) / 2) * high - (edge.top - edge.bottom) / 2 / scale,
        scale,
      };
    },
    stop() {
      cancelAnimationFrame(flight);
      flight = 0;
    },
  };
}

/** @typedef {ReturnType<typeof createView>} MapView */
