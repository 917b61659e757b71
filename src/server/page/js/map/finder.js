// The article below the pointer: which one it is, and what is told of it.

/** @import { Brief, MapTopic } from "../types.js" */
/** @import { Points } from "./points.js" */
/** @import { MapView } from "./view.js" */

import { h, fill } from "../dom.js";
import { date } from "../format.js";
import { gridOf, rowsIn } from "./points.js";

/** Articles that are remembered. */
const KNOWN = 5_000;
/** How long the pointer rests on a point before it is asked about, in milliseconds. */
const REST = 45;

/**
 * @param {{
 *   points: Points, view: MapView, topics: MapTopic[], isShown: (row: number) => boolean,
 *   describe: (row: number, signal: AbortSignal) => Promise<Brief | undefined>, changed: () => void,
 *   over: (px: number, py: number, row: number) => void
 * }} options
 */
export function createFinder({ points, view, topics, isShown, describe, changed, over }) {
  const tip = h("div", { class: "map-tip", hidden: true });
  /** @type {ReturnType<typeof gridOf> | null} */
  let grid = null;
  /** @type {Map<number, Brief>} */
  const known = new Map();
  /** @type {AbortController | null} */
  let asking = null;
  let hovered = -1;
  let timer = 0;

  /** @param {number} row */
  async function described(row) {
    const have = known.get(row);
    if (have) return have;
    asking?.abort();
    asking = new AbortController();
    const brief = await describe(row, asking.signal);
    if (known.size > KNOWN) known.clear();
    if (brief) known.set(row, brief);
    return brief;
  }

  /** The nearest row that is shown, at most `reach` pixels away; -1 for none. @param {number} px @param {number} py @param {number} reach */
  function pick(px, py, reach) {
    grid ??= gridOf(points);
    const [x, y] = view.toMap(px, py);
    const rx = reach / view.at.scale / view.unit.x;
    const ry = reach / view.at.scale / view.unit.y;
    let best = -1;
    let least = reach * reach;
    rowsIn(grid, x - rx, y - ry, x + rx, y + ry, (row) => {
      const [sx, sy] = view.toScreen(points.x[row] ?? 0, points.y[row] ?? 0);
      const d = (sx - px) ** 2 + (sy - py) ** 2;
      if (d < least && isShown(row)) {
        least = d;
        best = row;
      }
    });
    return best;
  }

  /** @param {number} px @param {number} py */
  function put(px, py) {
    const { w, h: high } = view.size;
    tip.style.left = `${Math.max(6, Math.min(px + 16, w - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(6, py + 18 + tip.offsetHeight > high ? py - tip.offsetHeight - 12 : py + 18)}px`;
  }

  /** @param {number} row @param {number} px @param {number} py */
  async function tell(row, px, py) {
    try {
      const brief = await described(row);
      if (hovered !== row || !brief) return;
      const topic = topics[points.topic[row] ?? -1];
      const facts = [brief.source, date(brief.date)].filter(Boolean).join(" · ");
      fill(
        tip,
        h("strong", { dir: "auto" }, brief.title || brief.id),
        facts && h("span", { dir: "auto" }, facts),
        topic && h("span", { class: "tip-topic", dir: "auto" }, topic.label),
      );
      tip.hidden = false;
      put(px, py);
    } catch {
      tip.hidden = true;
    }
  }

  return {
    tip,
    pick,
    /** Calls `found` with all rows near a box of the map. @param {number} left @param {number} top @param {number} right @param {number} bottom @param {(row: number) => void} found */
    within(left, top, right, bottom, found) {
      grid ??= gridOf(points);
      rowsIn(grid, left, top, right, bottom, found);
    },
    describe: described,
    /** The row below the pointer; -1 for none. */
    row: () => hovered,
    /** @param {number} px @param {number} py */
    hover(px, py) {
      const row = pick(px, py, 10);
      over(px, py, row);
      if (row === hovered) {
        if (row >= 0) put(px, py);
        return;
      }
      hovered = row;
      changed();
      clearTimeout(timer);
      if (row < 0) tip.hidden = true;
      else if (known.has(row)) void tell(row, px, py);
      else timer = setTimeout(() => void tell(row, px, py), REST);
    },
    leave() {
      clearTimeout(timer);
      tip.hidden = true;
      if (hovered < 0) return;
      hovered = -1;
      changed();
    },
    end() {
      clearTimeout(timer);
      asking?.abort();
    },
  };
}
