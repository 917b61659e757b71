// The course of topics through time, as it is drawn: in what spans, and as what.

/** @import { Timeline } from "./types.js" */

import { api } from "./api.js";
import { s } from "./dom.js";
import { number, percent } from "./format.js";

/** Spans, the shortest first, and how many days each has. @type {[string, number][]} */
const SPANS = [["day", 1], ["week", 7], ["month", 30.44], ["quarter", 91.31], ["year", 365.25]];

/** Articles that a usual span has at least where shares are drawn: of fewer, any share is chance. */
const ENOUGH = 20;
/** Spans that a course has at least, where they are made longer to have enough articles. */
const COURSE = 6;
/** A span has no share where it has less than this part of what a usual one has, and too few articles for one. */
const THIN = 0.25;
/** Bars of counts that a small drawing has at most: of more, neighbours are put together. */
const BARS = 60;

/** How many articles a span has that has any: the middle of them. @param {number[]} totals */
export function usual(totals) {
  const held = totals.filter((n) => n > 0).sort((a, b) => a - b);
  return held[Math.floor(held.length / 2)] ?? 0;
}

/**
 * Topics over time in spans long enough that a share says something, as far as some are left.
 *
 * @param {string} corpus @param {{ source?: string | null }} of @param {AbortSignal} [signal]
 * @returns {Promise<Timeline>}
 */
export async function fittingTimeline(corpus, of, signal) {
  let line = await api.timeline(corpus, of, signal);
  for (;;) {
    const at = SPANS.findIndex(([name]) => name === line.by);
    const now = SPANS[at];
    const next = SPANS[at + 1];
    if (!now || !next || usual(line.totals) >= ENOUGH || (line.bins.length * now[1]) / next[1] < COURSE) return line;
    line = await api.timeline(corpus, { ...of, by: next[0] }, signal);
  }
}

/** Whether shares are drawn, or numbers of articles. @param {Timeline} line */
export const hasShares = (line) => usual(line.totals) >= ENOUGH;

/**
 * What is drawn of a topic, by span: its share; null where a span has no articles, or too few beside
 * the others. Or its articles, where a usual span has too few for shares.
 *
 * @param {number[]} counts @param {Timeline} line
 * @returns {(number | null)[]}
 */
export function courseOf(counts, line) {
  if (!hasShares(line)) return counts;
  const least = Math.min(ENOUGH, THIN * usual(line.totals));
  return counts.map((count, i) => {
    const total = line.totals[i] ?? 0;
    return total > 0 && total >= least ? count / total : null;
  });
}

/** The highest value of all topics, for a scale that they share. @param {Timeline} line */
export function highest(line) {
  const values = line.topics.flatMap((topic) => grouped(courseOf(topic.counts, line), line).filter((v) => v !== null));
  return Math.max(hasShares(line) ? 0.001 : 1, ...values);
}

/** How many neighbouring spans are drawn as one. @param {Timeline} line */
const groupOf = (line) => (hasShares(line) ? 1 : Math.max(1, Math.ceil(line.bins.length / BARS)));

/** Counts of neighbouring spans together, where there are more than a small drawing has room for. @param {(number | null)[]} values @param {Timeline} line */
function grouped(values, line) {
  const size = groupOf(line);
  if (size === 1) return values;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, g) => values.slice(g * size, (g + 1) * size).reduce((/** @type {number} */ sum, v) => sum + (v ?? 0), 0));
}

/** A value for people. @param {number} value @param {Timeline} line */
export const valueOf = (value, line) => (hasShares(line) ? percent(value) : number(value));

/** What is drawn, in a few words. @param {Timeline} line */
export const drawnOf = (line) => (hasShares(line) ? `Share of each ${line.by}’s articles` : `Articles of each ${groupOf(line) > 1 ? `${groupOf(line)} ${line.by}s` : line.by}`);

const WIDE = 240;

/**
 * A course: a filled line of shares with gaps, or bars of counts.
 *
 * @param {number[]} counts @param {Timeline} line
 * @param {{ most: number, label: string, high?: number, range?: [number, number] | null }} options
 *   `label`: what is said of it; empty where what stands beside it says as much
 */
export function sparkline(counts, line, { most, label, high = 44, range = null }) {
  const all = courseOf(counts, line);
  const values = grouped(all, line);
  const n = values.length;
  const isLine = hasShares(line);
  const wide = WIDE / Math.max(1, n);
  const x = (/** @type {number} */ i) => (i + 0.5) * wide;
  const y = (/** @type {number} */ v) => high - 1.5 - Math.min(1, v / Math.max(most, 1e-9)) * (high - 4);
  const at = (/** @type {number} */ px, /** @type {number} */ py) => `${px.toFixed(1)} ${py.toFixed(1)}`;
  const drawn = [];
  if (isLine) {
    // Each stretch without a gap is a line of its own; one span alone is as long as it is.
    for (let from = 0; from < n; from++) {
      if (values[from] === null) continue;
      let to = from;
      while (to + 1 < n && values[to + 1] !== null) to++;
      /** @type {[number, number][]} */
      const points = [];
      for (let i = from; i <= to; i++) points.push([x(i), y(values[i] ?? 0)]);
      // It reaches to the ends of its first and its last span.
      const [left, right] = [from * wide, (to + 1) * wide];
      points.unshift([left, y(values[from] ?? 0)]);
      points.push([right, y(values[to] ?? 0)]);
      const path = points.map(([px, py], i) => `${i ? "L" : "M"}${at(px, py)}`).join("");
      drawn.push(s("path", { class: "spark-area", d: `${path}L${at(right, high)}L${at(left, high)}Z` }), s("path", { class: "spark-line", d: path }));
      from = to;
    }
  } else {
    const bar = Math.min(wide * 0.8, 18);
    values.forEach((v, i) => {
      if (v) drawn.push(s("rect", { class: "spark-bar", x: (x(i) - bar / 2).toFixed(1), y: y(v).toFixed(1), width: bar.toFixed(1), height: (high - y(v)).toFixed(1) }));
    });
  }
  const part = WIDE / Math.max(1, all.length);
  return s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDE} ${high}`, preserveAspectRatio: "none", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) },
    range && s("rect", { class: "spark-range", x: range[0] * part, y: 0, width: Math.max(2, (range[1] + 1 - range[0]) * part), height: high }),
    s("path", { class: "spark-ground", d: `M0 ${high - 0.5}H${WIDE}` }),
    drawn,
  );
}
