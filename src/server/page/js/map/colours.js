// Colours: classes that stay apart for people who see red and green alike (tests/page/colours.test.js
// measures it), and a scale for dates that grows evenly in lightness.

/** @import { Rgb } from "../types.js" */

/** Classes on a light page. @type {Rgb[]} */
export const ON_LIGHT = [
  [0, 96, 204], [252, 132, 120], [0, 132, 108], [228, 192, 0], [120, 48, 144], [0, 156, 252],
  [168, 96, 0], [60, 192, 180], [156, 24, 48], [204, 180, 252], [108, 168, 0], [180, 108, 180],
];
/** Classes on a dark page. @type {Rgb[]} */
export const ON_DARK = [
  [60, 132, 204], [252, 132, 168], [36, 192, 204], [228, 228, 108], [144, 156, 252], [204, 120, 0],
  [96, 252, 216], [180, 96, 144], [252, 180, 144], [120, 156, 108], [180, 204, 252], [192, 180, 48],
];

/** What is in no class. */
export const noClass = (/** @type {boolean} */ dark) => /** @type {Rgb} */ (dark ? [112, 120, 130] : [158, 164, 170]);

/** Viridis, at nine even steps (van der Walt and Smith, CC0). @type {Rgb[]} */
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50],
  [253, 231, 37],
];

/**
 * The colour of a date, 0 the first and 1 the last: dark to bright on a dark page's ground and the
 * other way on a light one, without the ends that would vanish in it.
 *
 * @param {number} t @param {boolean} dark @returns {Rgb}
 */
export function dateColour(t, dark) {
  const place = (dark ? 0.22 + 0.78 * t : 0.9 * (1 - t)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const part = place - low;
  const a = VIRIDIS[low] ?? [0, 0, 0];
  const b = VIRIDIS[low + 1] ?? [0, 0, 0];
  return /** @type {Rgb} */ ([0, 1, 2].map((i) => Math.round((a[i] ?? 0) * (1 - part) + (b[i] ?? 0) * part)));
}

/** @param {Rgb} rgb */
export const css = (rgb) => `rgb(${rgb.join(" ")})`;

/**
 * The colour of each class when there are more classes than colours: neighbours on the map get
 * different ones. Classes come largest first; `places` has where each lies, null where nowhere.
 *
 * @param {([number, number] | null)[]} places
 * @param {number} colours how many there are
 * @returns {number[]}
 */
export function assignColours(places, colours) {
  /** @type {number[]} */
  const out = [];
  /** @type {number[]} */
  const used = Array(colours).fill(0);
  places.forEach((place, i) => {
    if (i < colours) {
      out.push(i);
    } else {
      // The colour whose nearest bearer is farthest away, the least used of equals.
      let best = 0;
      let most = -1;
      for (let c = 0; c < colours; c++) {
        let least = Infinity;
        for (let k = 0; k < i; k++) {
          const other = places[k];
          if (out[k] !== c || !other || !place) continue;
          least = Math.min(least, (other[0] - place[0]) ** 2 + (other[1] - place[1]) ** 2);
        }
        const merit = (Number.isFinite(least) ? least : 1e12) / (1 + (used[c] ?? 0));
        if (merit > most) {
          most = merit;
          best = c;
        }
      }
      out.push(best);
    }
    const c = out[i] ?? 0;
    used[c] = (used[c] ?? 0) + 1;
  });
  return out;
}
