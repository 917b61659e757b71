// The points of a map: one typed array a column, no object a point. Rows stand in a random
// order, so that the first n of them are a fair sample.

/** @import { MapInfo } from "../types.js" */

/**
 * @typedef {{
 *   n: number, x: Uint16Array, y: Uint16Array, topic: Int16Array, source: Uint16Array, day: Int32Array
 * }} Points
 */

/** The day of what has no date. */
export const NO_DAY = -2147483648;
/** The greatest coordinate. */
export const SPAN = 65535;

/** @type {Record<string, any>} */
const KINDS = { u16: Uint16Array, i16: Int16Array, i32: Int32Array, u32: Uint32Array };

/**
 * @param {ArrayBuffer} buffer
 * @param {MapInfo["columns"]} columns
 * @param {number} n
 * @returns {Points}
 */
export function decodePoints(buffer, columns, n) {
  /** @param {string} name @param {string} type */
  const column = (name, type) => {
    const found = columns.find((c) => c.name === name && c.type === type);
    const Kind = KINDS[type];
    const end = found ? found.offset + n * Kind.BYTES_PER_ELEMENT : 0;
    if (!found || end > buffer.byteLength) throw new Error(`The map has no column ${name}.`);
    const isAligned = found.offset % Kind.BYTES_PER_ELEMENT === 0;
    return isAligned ? new Kind(buffer, found.offset, n) : new Kind(buffer.slice(found.offset, end));
  };
  return {
    n,
    x: column("x", "u16"),
    y: column("y", "u16"),
    topic: column("topic", "i16"),
    source: column("source", "u16"),
    day: column("day", "i32"),
  };
}

/** Cells along a side of the grid of points. */
const CELLS = 256;

/**
 * A grid of the points, to find those near a place: rows in the order of their cells.
 *
 * @param {Points} points
 */
export function gridOf({ n, x, y }) {
  const start = new Uint32Array(CELLS * CELLS + 1);
  const cell = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const c = ((y[i] ?? 0) >> 8) * CELLS + ((x[i] ?? 0) >> 8);
    cell[i] = c;
    start[c + 1] = (start[c + 1] ?? 0) + 1;
  }
  for (let c = 0; c < CELLS * CELLS; c++) start[c + 1] = (start[c + 1] ?? 0) + (start[c] ?? 0);
  const next = start.slice();
  const rows = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const c = cell[i] ?? 0;
    const at = next[c] ?? 0;
    rows[at] = i;
    next[c] = at + 1;
  }
  return { start, rows };
}

/**
 * Calls `found` with the rows of all cells that a box touches.
 *
 * @param {ReturnType<typeof gridOf>} grid
 * @param {number} left @param {number} top @param {number} right @param {number} bottom
 * @param {(row: number) => void} found
 */
export function rowsIn({ start, rows }, left, top, right, bottom, found) {
  const clamp = (/** @type {number} */ v) => Math.min(CELLS - 1, Math.max(0, v >> 8));
  for (let cy = clamp(top); cy <= clamp(bottom); cy++) {
    const from = start[cy * CELLS + clamp(left)] ?? 0;
    const to = start[cy * CELLS + clamp(right) + 1] ?? 0;
    for (let k = from; k < to; k++) found(rows[k] ?? 0);
  }
}

/**
 * The rows within a polygon, as bytes: 1 inside.
 *
 * @param {Points} points
 * @param {[number, number][]} polygon in the points' coordinates
 */
export function within({ n, x, y }, polygon) {
  const inside = new Uint8Array(n);
  const xs = polygon.map((p) => p[0]);
  const ys = polygon.map((p) => p[1]);
  const left = Math.min(...xs);
  const right = Math.max(...xs);
  const top = Math.min(...ys);
  const bottom = Math.max(...ys);
  let count = 0;
  for (let i = 0; i < n; i++) {
    const px = x[i] ?? 0;
    const py = y[i] ?? 0;
    if (px < left || px > right || py < top || py > bottom) continue;
    let odd = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
      const ya = ys[a] ?? 0;
      const yb = ys[b] ?? 0;
      if (ya > py !== yb > py && px < (((xs[b] ?? 0) - (xs[a] ?? 0)) * (py - ya)) / (yb - ya) + (xs[a] ?? 0)) odd = !odd;
    }
    if (odd) {
      inside[i] = 1;
      count++;
    }
  }
  return { inside, count };
}
