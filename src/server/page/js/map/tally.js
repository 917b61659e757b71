// What a selection is about where no server can be asked: counted from what the map holds.

/** @import { About } from "../types.js" */
/** @import { Points } from "./points.js" */

import { isoDay } from "../format.js";
import { NO_DAY } from "./points.js";

/** Spans of the dates, at most. */
const SPANS = 40;

/** @param {string} text */
const wordsIn = (text) => new Set((text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((w) => w.length > 2 && !/^\d+$/.test(w)));

/**
 * Words that the titles of some rows hold more often than those of all.
 *
 * @param {number[]} rows @param {string[]} titles
 */
export function termsOf(rows, titles) {
  /** @type {Map<string, number>} */
  const inside = new Map();
  for (const row of rows) for (const word of wordsIn(titles[row] ?? "")) inside.set(word, (inside.get(word) ?? 0) + 1);
  /** @type {Map<string, number>} */
  const all = new Map();
  const step = Math.max(1, Math.floor(titles.length / 50_000));
  let sample = 0;
  for (let i = 0; i < titles.length; i += step) {
    sample++;
    for (const word of wordsIn(titles[i] ?? "")) if (inside.has(word)) all.set(word, (all.get(word) ?? 0) + 1);
  }
  const least = rows.length > 8 ? 2 : 1;
  return [...inside]
    .filter(([, count]) => count >= least)
    .map(([word, count]) => {
      const share = count / rows.length;
      const usual = ((all.get(word) ?? 0) + 0.5) / (sample + 1);
      return { word, score: count * Math.log(share / usual) };
    })
    .filter((t) => t.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, 12)
    .map((t) => t.word);
}

/** @param {Map<number, number>} counts */
const largest = (counts) => [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);

/**
 * @param {number[]} rows
 * @param {{ points: Points, titles: string[], ids: string[], topics: { id: number, label: string }[], sources: string[] }} of
 * @returns {About}
 */
export function tally(rows, { points, titles, ids, topics, sources }) {
  /** @type {Map<number, number>} */
  const ofTopic = new Map();
  /** @type {Map<number, number>} */
  const ofSource = new Map();
  let x = 0;
  let y = 0;
  let first = Infinity;
  let last = -Infinity;
  for (const row of rows) {
    const topic = points.topic[row] ?? -1;
    const source = points.source[row] ?? 65535;
    if (topic >= 0) ofTopic.set(topic, (ofTopic.get(topic) ?? 0) + 1);
    if (source < sources.length) ofSource.set(source, (ofSource.get(source) ?? 0) + 1);
    x += (points.x[row] ?? 0) / rows.length;
    y += (points.y[row] ?? 0) / rows.length;
    const day = points.day[row] ?? NO_DAY;
    if (day === NO_DAY) continue;
    first = Math.min(first, day);
    last = Math.max(last, day);
  }
  const bins = Math.min(SPANS, Math.max(1, last - first + 1));
  const counts = /** @type {number[]} */ (Array(Number.isFinite(first) ? bins : 0).fill(0));
  for (const row of rows) {
    const day = points.day[row] ?? NO_DAY;
    if (day === NO_DAY) continue;
    const bin = Math.min(bins - 1, Math.floor(((day - first) / (last - first + 1)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  // Typical is what lies in the middle of the largest topic in there.
  const main = largest(ofTopic)[0]?.[0];
  const typical = rows
    .filter((row) => main === undefined || points.topic[row] === main)
    .map((row) => ({ row, d: ((points.x[row] ?? 0) - x) ** 2 + ((points.y[row] ?? 0) - y) ** 2 }))
    .sort((a, b) => a.d - b.d)
    .slice(0, 6)
    .map(({ row }) => ({ id: ids[row] ?? "", title: titles[row] ?? "" }));
  return {
    articles: rows.length,
    terms: termsOf(rows, titles),
    typical,
    dates: counts.length ? { bins: counts.map((_, i) => isoDay(Math.floor(first + (i * (last - first + 1)) / bins))), counts } : null,
    sources: largest(ofSource).map(([i, count]) => ({ value: sources[i] ?? "", count })),
    topics: largest(ofTopic).map(([i, count]) => ({ id: topics[i]?.id ?? i, label: topics[i]?.label ?? "", count })),
  };
}
