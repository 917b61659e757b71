// What the points are coloured by: a class for each, and a colour for each class.

/** @import { Rgb, MapInfo, MapTopic } from "../types.js" */
/** @import { Points } from "./points.js" */

import { number, date, isoDay } from "../format.js";
import { NO_DAY } from "./points.js";
import { ON_LIGHT, ON_DARK, noClass, dateColour, assignColours } from "./colours.js";

/** @typedef {{ name: string, count: number, light: Rgb, dark: Rgb }} Class */
/**
 * Classes, and the class of each point: 0 is none, 1 the first. `isScale` where classes follow
 * each other, as dates do.
 *
 * @typedef {{ id: string, name: string, classes: Class[], kinds: Uint16Array, none: number, noneName: string, isScale: boolean }} Scheme
 */

/** Steps that dates are coloured in. */
const STEPS = 24;
/** The scheme of a field is called this and its name. */
export const FIELD = "field:";

/**
 * @param {string[]} names @param {([number, number] | null)[] | null} places
 * @returns {{ name: string, count: number, light: Rgb, dark: Rgb }[]}
 */
function coloured(names, places) {
  const of = assignColours(places ?? names.map(() => null), ON_LIGHT.length);
  return names.map((name, i) => ({
    name,
    count: 0,
    light: ON_LIGHT[of[i] ?? 0] ?? noClass(false),
    dark: ON_DARK[of[i] ?? 0] ?? noClass(true),
  }));
}

/** Counts the points of each class. @param {Omit<Scheme, "none">} scheme @returns {Scheme} */
function withCounts(scheme) {
  const counts = new Uint32Array(scheme.classes.length + 1);
  for (const kind of scheme.kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  scheme.classes.forEach((c, i) => {
    c.count = counts[i + 1] ?? 0;
  });
  return { ...scheme, none: counts[0] ?? 0 };
}

/** @param {Points} points @param {MapTopic[]} topics */
export function byTopic(points, topics) {
  const kinds = new Uint16Array(points.n);
  for (let i = 0; i < points.n; i++) kinds[i] = (points.topic[i] ?? -1) + 1;
  const places = topics.map((t) => /** @type {[number, number] | null} */ (t.x === null || t.y === null ? null : [t.x, t.y]));
  const classes = coloured(topics.map((t) => t.label), places);
  return withCounts({ id: "topic", name: "topic", classes, kinds, noneName: topics.length ? "no topic" : "articles", isScale: false });
}

/** @param {Points} points @param {MapInfo["sources"]} sources */
export function bySource(points, sources) {
  const kinds = new Uint16Array(points.n);
  for (let i = 0; i < points.n; i++) {
    const source = points.source[i] ?? 65535;
    kinds[i] = source < sources.length ? source + 1 : 0;
  }
  const classes = coloured(sources.map((s) => s.name), null);
  return withCounts({ id: "source", name: "source", classes, kinds, noneName: "other or none", isScale: false });
}

/**
 * By date, in steps of as many points each, so that no colour is rare.
 *
 * @param {Points} points
 */
export function byDate(points) {
  const sample = points.day.slice(0, 100_000).filter((day) => day !== NO_DAY).sort();
  /** @type {number[]} */
  const starts = [];
  for (let step = 0; step < STEPS && sample.length; step++) {
    const day = sample[Math.floor((step * sample.length) / STEPS)] ?? 0;
    if (day !== starts[starts.length - 1]) starts.push(day);
  }
  const kinds = new Uint16Array(points.n);
  for (let i = 0; i < points.n; i++) {
    const day = points.day[i] ?? NO_DAY;
    if (day === NO_DAY) continue;
    let low = 0;
    let high = starts.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= day) low = middle;
      else high = middle;
    }
    kinds[i] = low + 1;
  }
  const share = (/** @type {number} */ i) => (starts.length > 1 ? i / (starts.length - 1) : 1);
  const classes = starts.map((day, i) => ({
    name: `from ${date(isoDay(day))}`,
    count: 0,
    light: dateColour(share(i), false),
    dark: dateColour(share(i), true),
  }));
  return withCounts({ id: "date", name: "date", classes, kinds, noneName: "no date", isScale: true });
}

/**
 * @param {string} name
 * @param {{ values: import("../api.js").FieldValue[], of: string }} field
 * @param {number} n
 */
export function byField(name, { values, of }, n) {
  const bytes = atob(of);
  const kinds = new Uint16Array(n);
  for (let i = 0; i < n; i++) {
    const value = bytes.charCodeAt(i);
    kinds[i] = value < values.length ? value + 1 : 0;
  }
  const names = values.map((v) => String(typeof v === "object" ? (v.label ?? v.value) : v));
  return withCounts({ id: FIELD + name, name, classes: coloured(names, null), kinds, noneName: "other or none", isScale: false });
}

/** The colour of what is in no class; where there are no classes all are in none, and have a colour that is seen. @param {Scheme} scheme @param {boolean} dark */
export const ofNone = (scheme, dark) => (scheme.classes.length ? noClass(dark) : ((dark ? ON_DARK : ON_LIGHT)[0] ?? noClass(dark)));

/** The palette of a scheme, four bytes a class. @param {Scheme} scheme @param {boolean} dark @param {Set<number>} only */
export function paletteOf(scheme, dark, only) {
  const out = new Uint8Array(4 * (scheme.classes.length + 1));
  const put = (/** @type {number} */ i, /** @type {Rgb} */ rgb) => {
    const isOn = only.size === 0 || only.has(i);
    out.set([...(isOn ? rgb : noClass(dark)), isOn ? 255 : 26], 4 * i);
  };
  put(0, ofNone(scheme, dark));
  scheme.classes.forEach((c, i) => put(i + 1, dark ? c.dark : c.light));
  return out;
}

/** @param {number} count */
export const shortNumber = (count) => (count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : count >= 1e4 ? `${Math.round(count / 1e3)}k` : number(count));
