// Titles of articles in view, where one is so near that no topic's name says what lies there: in each
// free part of the screen that of the most typical article.

/** @import { Brief } from "../types.js" */
/** @import { Points } from "./points.js" */
/** @import { MapView } from "./view.js" */
/** @import { Label } from "./labels.js" */

import { TITLE } from "./labels.js";

/** Points in view, at most: of more, a few titles say nothing. */
const SEEN = 3_000;
/** How near one is at least, as a multiple of what shows all. */
const NEAR = 1.5;
/** Pixels of a part of the screen. */
const PART = { w: 210, h: 66 };
/** Titles that are asked for at a time, and that are remembered. */
const ASKED_TITLES = 48;
const KNOWN_TITLES = 4_000;
/** Points that a topic has in a part of the screen, at least, where its name is written there once more. */
const NAMED = 8;

/**
 * @param {{
 *   points: Points, view: MapView, isShown: (row: number) => boolean, rowsIn: (left: number, top: number, right: number, bottom: number, found: (row: number) => void) => void,
 *   describe: (rows: number[], signal: AbortSignal) => Promise<Brief[]>, topicLabel: (topic: number) => Label | null, changed: (labels: Label[]) => void
 * }} options
 */
export function createTitles({ points, view, isShown, rowsIn, describe, topicLabel, changed }) {
  /** Titles by their rows; null for an article without one. @type {Map<number, Label | null>} */
  const known = new Map();
  /** @type {AbortController | null} */
  let asking = null;
  let had = "";

  /** The rows in view; null where they are too many. */
  function inView() {
    const [left, top] = view.toMap(0, 0);
    const [right, bottom] = view.toMap(view.size.w, view.size.h);
    /** @type {number[]} */
    const rows = [];
    rowsIn(left, top, right, bottom, (row) => {
      if (rows.length > SEEN || !isShown(row)) return;
      const [x, y] = [points.x[row] ?? 0, points.y[row] ?? 0];
      if (x >= left && x <= right && y >= top && y <= bottom) rows.push(row);
    });
    return rows.length > SEEN ? null : rows;
  }

  /** The row that is nearest to the middle of some. @param {number[]} rows */
  function middle(rows) {
    let x = 0;
    let y = 0;
    for (const row of rows) {
      x += (points.x[row] ?? 0) / rows.length;
      y += (points.y[row] ?? 0) / rows.length;
    }
    const away = (/** @type {number} */ row) => ((points.x[row] ?? 0) - x) ** 2 + ((points.y[row] ?? 0) - y) ** 2;
    return rows.reduce((best, row) => (away(row) < away(best) ? row : best), rows[0] ?? 0);
  }

  /** The rows of a class, the largest class first. @param {number[]} rows @param {(row: number) => number} classOf */
  function groups(rows, classOf) {
    /** @type {Map<number, number[]>} */
    const out = new Map();
    for (const row of rows) {
      const of = classOf(row);
      const list = out.get(of);
      if (list) list.push(row);
      else out.set(of, [row]);
    }
    return [...out].sort((a, b) => b[1].length - a[1].length);
  }

  /** The part of the screen that a row is in. @param {number} row */
  function part(row) {
    const [px, py] = view.toScreen(points.x[row] ?? 0, points.y[row] ?? 0);
    return Math.floor(px / PART.w) + Math.ceil(view.size.w / PART.w) * Math.floor(py / PART.h);
  }

  /** Names of topics whose own place is out of view. @param {number[]} rows @returns {Label[]} */
  function namesOf(rows) {
    return groups(rows, (row) => points.topic[row] ?? -1).flatMap(([topic, of]) => {
      const label = topic < 0 ? null : topicLabel(topic);
      if (!label) return [];
      const [px, py] = view.toScreen(label.x, label.y);
      if (px > 0 && py > 0 && px < view.size.w && py < view.size.h) return [];
      // Where it stands thickest: the middle of what is spread over all of the screen says nothing.
      const thickest = groups(of, part)[0]?.[1] ?? [];
      if (thickest.length < NAMED) return [];
      const row = middle(thickest);
      return [{ ...label, x: points.x[row] ?? 0, y: points.y[row] ?? 0, size: of.length, level: 1 }];
    });
  }

  /** What is most typical of each part of the screen. @param {number[]} rows */
  function chosen(rows) {
    const parts = groups(rows, part);
    return parts.slice(0, ASKED_TITLES).map(([, of]) => middle(groups(of, (row) => points.topic[row] ?? -1)[0]?.[1] ?? of));
  }

  /** @param {number} row @param {string} label @returns {Label | null} */
  const titleOf = (row, label) => (label ? { label, x: points.x[row] ?? 0, y: points.y[row] ?? 0, size: 1, level: TITLE, colour: null, topic: points.topic[row] ?? -1, row } : null);

  return {
    /** What is in view is to be named anew: colours are others. */
    forget() {
      had = "";
    },
    /** The view rests: what is in it may be named. */
    async settled() {
      const rows = view.zoom() < NEAR ? null : inView();
      if (!rows) {
        asking?.abort();
        if (had) changed([]);
        had = "";
        return;
      }
      const names = namesOf(rows);
      const typical = chosen(rows);
      const key = JSON.stringify([names.map((n) => [n.topic, n.x, n.y]), typical]);
      if (key === had) return;
      had = key;
      asking?.abort();
      asking = new AbortController();
      const { signal } = asking;
      const unknown = typical.filter((row) => !known.has(row));
      try {
        const briefs = unknown.length ? await describe(unknown, signal) : [];
        if (signal.aborted) return;
        if (known.size > KNOWN_TITLES) known.clear();
        unknown.forEach((row, i) => known.set(row, titleOf(row, briefs[i]?.title.trim() ?? "")));
      } catch {
        if (signal.aborted) return;
        // Then topics alone are named; titles are asked for when the view rests again.
        had = "";
      }
      // Of several articles with the same title one is named.
      const titles = [...new Map(typical.flatMap((row) => known.get(row) ?? []).map((label) => [label.label, label])).values()];
      changed([...names, ...titles]);
    },
    end() {
      asking?.abort();
    },
  };
}
