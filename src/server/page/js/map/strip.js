// The time below the map: how many articles of each time, and a window that one draws over it.

/** @import { Points } from "./points.js" */

import { h, icon } from "../dom.js";
import { date, isoDay, counted } from "../format.js";
import { NO_DAY } from "./points.js";

/** Bars of the strip, at most. */
const BARS = 240;

/**
 * @param {Points} points
 * @param {[number, number]} dates the first and the last day
 * @param {(days: [number, number] | null) => void} chosen
 */
export function createStrip(points, dates, chosen) {
  const [first, last] = dates;
  const days = Math.max(1, last - first + 1);
  const bars = Math.min(BARS, days);
  const perBar = days / bars;
  /** @type {[number, number] | null} */
  let range = null;
  let playing = 0;
  /** @type {Uint32Array} */
  let counts = new Uint32Array(bars);

  const canvas = h("canvas", { class: "strip-bars", "aria-hidden": "true" });
  const text = h("output", { class: "strip-text" });
  /** @param {"from" | "to"} end */
  const handle = (end) =>
    h("div", {
      class: `strip-handle strip-${end}`,
      role: "slider",
      tabindex: "0",
      "aria-label": end === "from" ? "First day shown" : "Last day shown",
      "aria-valuemin": first,
      "aria-valuemax": last,
    });
  const from = handle("from");
  const to = handle("to");
  const pane = h("div", { class: "strip-window" });
  const track = h("div", { class: "strip-track" }, canvas, pane, from, to);
  const play = h("button", { class: "tool", type: "button", "aria-label": "Play through time", title: "Play through time", onclick: toggle }, icon("play"));
  const clear = h("button", { class: "quiet", type: "button", hidden: true, onclick: () => set(null) }, "All dates");
  const element = h("div", { class: "strip", role: "group", "aria-label": "Dates" }, play, track, h("div", { class: "strip-side" }, text, clear));

  const toX = (/** @type {number} */ day) => ((day - first) / days) * track.clientWidth;
  const toDay = (/** @type {number} */ x) => first + (x / Math.max(1, track.clientWidth)) * days;
  const bounded = (/** @type {number} */ day) => Math.min(last, Math.max(first, Math.round(day)));

  function paint() {
    const ratio = devicePixelRatio || 1;
    const w = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!w) return;
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(ratio, ratio);
    let most = 1;
    for (const c of counts) most = Math.max(most, c);
    const wide = w / bars;
    const style = getComputedStyle(element);
    const on = style.getPropertyValue("--accent") || "#36c";
    const off = style.getPropertyValue("--ink-4") || "#999";
    for (let b = 0; b < bars; b++) {
      const count = counts[b] ?? 0;
      if (!count) continue;
      const day = first + (b + 0.5) * perBar;
      const isIn = range && day >= range[0] - 0.5 && day <= range[1] + 0.5;
      pen.fillStyle = isIn ? on : off;
      const tall = Math.max(1.5, Math.sqrt(count / most) * (height - 2));
      pen.fillRect(b * wide + 0.4, height - tall, Math.max(1, wide - 0.8), tall);
    }
  }

  function show() {
    const [a, b] = range ?? [first, last];
    const [xa, xb] = [toX(a), toX(b + 1)];
    pane.style.left = `${xa}px`;
    pane.style.width = `${Math.max(2, xb - xa)}px`;
    from.style.left = `${xa}px`;
    to.style.left = `${xb}px`;
    for (const [el, day] of /** @type {[HTMLElement, number][]} */ ([[from, a], [to, b]])) {
      el.setAttribute("aria-valuenow", String(day));
      el.setAttribute("aria-valuetext", date(isoDay(day)));
    }
    element.classList.toggle("is-set", range !== null);
    clear.hidden = range === null;
    text.textContent = a === b ? date(isoDay(a)) : `${date(isoDay(a))} – ${date(isoDay(b))}`;
    paint();
  }

  /** @param {[number, number] | null} next @param {boolean} [quiet] */
  function set(next, quiet) {
    range = next && [Math.min(next[0], next[1]), Math.max(next[0], next[1])];
    if (range && range[0] <= first && range[1] >= last) range = null;
    if (!range) stop();
    show();
    if (!quiet) chosen(range);
  }

  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    play.replaceChildren(icon("play"));
    play.setAttribute("aria-label", "Play through time");
  }

  function toggle() {
    if (playing) {
      stop();
      return;
    }
    const wide = range ? range[1] - range[0] : Math.max(1, Math.round(days / 12));
    let at = range && range[1] < last ? range[0] : first - wide / 2;
    let before = performance.now();
    play.replaceChildren(icon("pause"));
    play.setAttribute("aria-label", "Stop playing");
    const step = () => {
      const now = performance.now();
      // Through all of it in about twelve seconds.
      at += ((now - before) / 12_000) * days;
      before = now;
      if (at + wide >= last) {
        set([last - wide, last]);
        stop();
        return;
      }
      set([bounded(at), bounded(at + wide)]);
      playing = requestAnimationFrame(step);
    };
    playing = requestAnimationFrame(step);
  }

  /** @type {{ kind: "new" | "move" | "from" | "to", day: number, range: [number, number] } | null} */
  let drag = null;
  track.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    stop();
    track.setPointerCapture(e.pointerId);
    const x = e.clientX - track.getBoundingClientRect().left;
    const day = toDay(x);
    const current = range ?? [first, last];
    const near = (/** @type {number} */ d) => Math.abs(toX(d) - x) < 10;
    const kind = e.target === from || (range && near(current[0])) ? "from" : e.target === to || (range && near(current[1] + 1)) ? "to" : range && day > current[0] && day < current[1] ? "move" : "new";
    drag = { kind, day, range: [current[0], current[1]] };
    e.preventDefault();
  });
  track.addEventListener("pointermove", (e) => {
    if (!drag) return;
    const day = toDay(e.clientX - track.getBoundingClientRect().left);
    const [a, b] = drag.range;
    if (drag.kind === "new") set([bounded(drag.day), bounded(day)]);
    else if (drag.kind === "from") set([bounded(day), b]);
    else if (drag.kind === "to") set([a, bounded(day - 1)]);
    else {
      const by = Math.min(last - b, Math.max(first - a, Math.round(day - drag.day)));
      set([a + by, b + by]);
    }
  });
  const drop = () => {
    drag = null;
  };
  track.addEventListener("pointerup", drop);
  track.addEventListener("pointercancel", drop);
  track.addEventListener("dblclick", () => set(null));
  for (const [el, end] of /** @type {[HTMLElement, 0 | 1][]} */ ([[from, 0], [to, 1]])) {
    el.addEventListener("keydown", (e) => {
      const step = e.shiftKey ? Math.max(1, Math.round(days / 12)) : Math.max(1, Math.round(days / 120));
      const by = e.key === "ArrowLeft" ? -step : e.key === "ArrowRight" ? step : e.key === "Home" ? -days : e.key === "End" ? days : 0;
      if (!by) return;
      e.preventDefault();
      e.stopPropagation();
      const next = /** @type {[number, number]} */ ([...(range ?? [first, last])]);
      next[end] = bounded(next[end] + by);
      set(next);
    });
  }
  new ResizeObserver(show).observe(track);

  return {
    element,
    set,
    stop,
    /** Takes the colours of the theme. */
    themed: paint,
    /** Counts the rows that are shown. @param {(row: number) => boolean} isShown */
    count(isShown) {
      counts = new Uint32Array(bars);
      let undated = 0;
      for (let i = 0; i < points.n; i++) {
        const day = points.day[i] ?? NO_DAY;
        if (!isShown(i)) continue;
        if (day === NO_DAY) {
          undated++;
          continue;
        }
        const bar = Math.min(bars - 1, Math.max(0, Math.floor((day - first) / perBar)));
        counts[bar] = (counts[bar] ?? 0) + 1;
      }
      element.title = undated ? `${counted(undated, "article")} without a date` : "";
      paint();
    },
  };
}
