// What is drawn over the points: the open article and its neighbours, the one below the pointer,
// the lasso, and the middle for whoever uses keys.

/** @import { MapView } from "./view.js" */

/** @typedef {[number, number]} Spot on the screen */

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {MapView} view
 * @param {{
 *   ink: string, dark: boolean, size: number, current: { at: Spot, near: Spot[] } | null, hovered: Spot | null,
 *   path: Spot[] | null, isFocused: boolean
 * }} what
 */
export function drawOver(pen, view, { ink, dark, size, current, hovered, path, isFocused }) {
  /** @param {Spot} at @param {number} radius @param {number} wide */
  const ring = ([x, y], radius, wide) => {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.lineWidth = wide;
    pen.stroke();
  };
  pen.strokeStyle = ink;
  if (current) {
    for (const at of current.near) {
      pen.globalAlpha = 0.45;
      pen.lineWidth = 1.2;
      pen.beginPath();
      pen.moveTo(...current.at);
      pen.lineTo(...at);
      pen.stroke();
      pen.globalAlpha = 0.9;
      ring(at, size / 2 + 2.5, 1.2);
    }
    pen.globalAlpha = 1;
    ring(current.at, size / 2 + 5, 2.5);
  }
  if (hovered) ring(hovered, size / 2 + 3, 2);
  if (path && path.length > 1) {
    pen.beginPath();
    path.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = dark ? "rgb(255 255 255 / 0.05)" : "rgb(20 30 60 / 0.05)";
    pen.fill();
    pen.setLineDash([5, 4]);
    pen.lineWidth = 1.4;
    pen.stroke();
    pen.setLineDash([]);
  }
  if (isFocused) {
    const [x, y] = [view.size.w / 2, view.size.h / 2];
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const [dx, dy] of /** @type {Spot[]} */ ([[1, 0], [-1, 0], [0, 1], [0, -1]])) {
      pen.moveTo(x + dx * 5, y + dy * 5);
      pen.lineTo(x + dx * 13, y + dy * 13);
    }
    pen.stroke();
  }
}
