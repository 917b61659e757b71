// How densely the points stand, and of what colour they are: the ground that they are drawn on.

/** @import { Points } from "./points.js" */

/** Points that the ground is made of, at most: a fair sample of all. */
const SAMPLE = 400_000;

/**
 * @typedef {{
 *   side: number, values: Float32Array
 * }} Density `side`² cells over the map with a margin on each side; four values a cell: the colour times
 * the density, and the density, at most 1
 */

/** How far the ground of a point reaches at most, as a share of the ground's side: three blurs of this radius. */
const REACH = 0.035;
/** How far the ground reaches beyond the points, as a share of their span: farther than that of a point, so that it ends by itself. */
export const MARGIN = 0.17;

/**
 * @param {Points} points
 * @param {Uint16Array} kinds the class of each point
 * @param {Uint8Array} palette four bytes a class
 * @param {(row: number) => boolean} isShown
 * @param {{ x: number, y: number }} unit how wide and high the map is: the ground of a point is round there
 * @returns {Density}
 */
export function densityOf({ n, x, y }, kinds, palette, isShown, unit) {
  const side = n > 30_000 ? 384 : 192;
  const values = new Float32Array(side * side * 4);
  const count = Math.min(n, SAMPLE);
  const scale = side / (65536 * (1 + 2 * MARGIN));
  const shift = MARGIN * 65536;
  for (let i = 0; i < count; i++) {
    const k = 4 * (kinds[i] ?? 0);
    if (!palette[k + 3] || !isShown(i)) continue;
    const cell = 4 * (Math.floor(((y[i] ?? 0) + shift) * scale) * side + Math.floor(((x[i] ?? 0) + shift) * scale));
    for (let c = 0; c < 3; c++) values[cell + c] = (values[cell + c] ?? 0) + (palette[k + c] ?? 0) / 255;
    values[cell + 3] = (values[cell + 3] ?? 0) + 1;
  }
  // The fewer the points, the wider the ground that each stands for.
  const radius = Math.max(2, side * Math.min(REACH, 0.24 / Math.sqrt(Math.sqrt(count + 1) * 4)));
  const stretch = Math.sqrt(unit.x / unit.y);
  const most = Math.floor(((side * MARGIN) / (1 + 2 * MARGIN) - 1) / 3);
  const [across, down] = [Math.round(Math.min(most, Math.max(1, radius / stretch))), Math.round(Math.min(most, Math.max(1, radius * stretch)))];
  const other = new Float32Array(values.length);
  // Three passes of a box are nearly a Gaussian.
  for (let pass = 0; pass < 3; pass++) {
    blur(values, other, side, across, 4, 4 * side);
    blur(other, values, side, down, 4 * side, 4);
  }
  let densest = 0;
  for (let i = 3; i < values.length; i += 4) densest = Math.max(densest, values[i] ?? 0);
  for (let i = 0; i < values.length; i += 4) {
    const density = values[i + 3] ?? 0;
    if (density <= 0) continue;
    // The root lets thin places be seen beside dense ones.
    const shown = Math.sqrt(density / densest);
    for (let c = 0; c < 3; c++) values[i + c] = ((values[i + c] ?? 0) / density) * shown;
    values[i + 3] = shown;
  }
  return { side, values };
}

/**
 * Means over a window along one direction.
 *
 * @param {Float32Array} from @param {Float32Array} to @param {number} side @param {number} radius
 * @param {number} step from a cell to the next one @param {number} line from a line to the next one
 */
function blur(from, to, side, radius, step, line) {
  const share = 1 / (2 * radius + 1);
  for (let row = 0; row < side; row++) {
    for (let c = 0; c < 4; c++) {
      const base = row * line + c;
      let sum = 0;
      for (let i = 0; i < Math.min(radius, side); i++) sum += from[base + i * step] ?? 0;
      for (let i = 0; i < side; i++) {
        if (i + radius < side) sum += from[base + (i + radius) * step] ?? 0;
        if (i - radius - 1 >= 0) sum -= from[base + (i - radius - 1) * step] ?? 0;
        to[base + i * step] = Math.max(0, sum) * share;
      }
    }
  }
}
