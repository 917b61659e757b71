// The map: points, ground, labels, colours, time and lasso. The page and the exported map both
// use it; they differ in where titles and answers come from.

/** @import { MapInfo, About, Brief } from "../types.js" */
/** @import { Points } from "./points.js" */
/** @import { Scheme } from "./schemes.js" */

import { h, icon } from "../dom.js";
import { counted } from "../format.js";
import { within, NO_DAY } from "./points.js";
import { createView } from "./view.js";
import { glRenderer, hasGpu } from "./gl.js";
import { flatRenderer } from "./flat.js";
import { densityOf } from "./density.js";
import { createLabels, labelsOf } from "./labels.js";
import { createTitles } from "./titles.js";
import { createStrip } from "./strip.js";
import { byTopic, bySource, byDate, byField, paletteOf, FIELD } from "./schemes.js";
import { createLegend } from "./legend.js";
import { createAbout } from "./about.js";
import { listen } from "./gestures.js";
import { createFinder } from "./finder.js";
import { drawOver } from "./over.js";

/**
 * Where the map gets what is not in its columns.
 *
 * @typedef {{
 *   describe(rows: number[], signal: AbortSignal): Promise<(Brief & { topic?: number | null })[]>,
 *   about(rows: number[], signal: AbortSignal): Promise<About>,
 *   field(name: string): Promise<{ values: import("../api.js").FieldValue[], of: string }>,
 *   neighbours(row: number, id: string, signal: AbortSignal): Promise<number[]>,
 *   rowOf(id: string, signal: AbortSignal): Promise<number>,
 *   open(id: string): void
 * }} Provider
 */

/**
 * What can be shared of a map. Places are those of the points.
 *
 * @typedef {{
 *   at: [number, number, number] | null, colour: string, only: string[], days: [number, number] | null,
 *   lasso: [number, number][] | null
 * }} MapState
 */

/** Rows of a lasso that are asked about, at most: the first ones are a fair sample. */
const ASKED = 20_000;
/** Up to how many points labels make way for them. */
const SPARED = 2_000;
/** Corners of a lasso that are kept. */
const CORNERS = 40;

/**
 * @param {{
 *   info: MapInfo, points: Points, provider: Provider, changed: (state: MapState) => void,
 *   isDark: () => boolean, draw?: string | null
 * }} options
 */
export function createMap({ info, points, provider, changed, isDark, draw: by = null }) {
  const [left, top, right, bottom] = info.bounds;
  const width = Math.abs(right - left) || 1;
  const height = Math.abs(bottom - top) || 1;
  const longer = Math.max(width, height);
  // The ground of few points reaches far beyond them.
  const view = createView(width / longer, height / longer, points.n < SPARED ? 0.82 : 0.9);

  const canvas = h("canvas", { class: "map-points", "aria-hidden": "true" });
  const over = h("canvas", {
    class: "map-over",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "map",
    "aria-label": `Map of ${counted(points.n, "article")}. Arrows move, plus and minus zoom, Enter opens the article in the middle, L selects by lasso, 0 shows all.`,
  });
  const pen = /** @type {CanvasRenderingContext2D} */ (over.getContext("2d"));
  const said = h("div", { class: "unseen", role: "status" });

  /** @type {Map<string, Scheme>} */
  const schemes = new Map();
  const built = (/** @type {string} */ id) => {
    let found = schemes.get(id);
    if (!found) {
      found = id === "source" ? bySource(points, info.sources) : id === "date" ? byDate(points) : byTopic(points, info.topics);
      schemes.set(found.id, found);
    }
    return found;
  };
  const hasTopics = info.topics.length > 0;
  let scheme = built(hasTopics ? "topic" : info.sources.length ? "source" : info.dates ? "date" : "topic");
  const topicScheme = built("topic");
  /** @type {Set<number>} */
  let only = new Set();
  /** @type {[number, number] | null} */
  let days = null;
  /** @type {[number, number][] | null} */
  let lasso = null;
  /** @type {[number, number][] | null} */
  let drawing = null;
  /** @type {{ inside: Uint8Array, count: number } | null} */
  let selected = null;
  /** @type {Uint8Array | null} */
  let found = null;
  let isLasso = false;
  let current = -1;
  /** @type {number[]} */
  let near = [];
  /** @type {number | null} */
  let strongTopic = null;
  let ratio = 1;
  let isLive = true;

  const useGl = by ? by === "webgl" : hasGpu();
  const renderer = (useGl ? glRenderer(canvas, points) : null) ?? flatRenderer(canvas, points);

  const finder = createFinder({
    points,
    view,
    topics: info.topics,
    isShown: (row) => isShown(row),
    describe: (row, signal) => provider.describe([row], signal).then((found) => found[0]),
    changed: () => draw(),
    over: (px, py, row) => over.classList.toggle("is-over", row >= 0 || labels.at(px, py) !== null),
  });

  // Controls.
  const select = h("select", { "aria-label": "Colour by", onchange: () => void recolour(select.value) });
  const option = (/** @type {string} */ value, /** @type {string} */ name) => h("option", { value }, name);
  if (hasTopics) select.append(option("topic", "topic"));
  if (info.sources.length) select.append(option("source", "source"));
  if (info.dates) select.append(option("date", "date"));
  // Where there is nothing to begin with, all points have one colour, and that is what is taken.
  if (scheme.id === "topic" && !hasTopics) select.append(option("topic", "nothing"));
  for (const field of info.fields) {
    const name = typeof field === "string" ? field : field.name;
    if (!["topic", "source", "date", "id", "title", "text", "url"].includes(name)) select.append(option(FIELD + name, name));
  }
  select.value = scheme.id;
  const legend = createLegend({
    toggle(kind) {
      if (!only.delete(kind)) only.add(kind);
      repaint();
      tell();
    },
    clear() {
      only = new Set();
      repaint();
      tell();
    },
    over(kind) {
      strongTopic = scheme.id === "topic" && kind ? kind - 1 : null;
      draw();
    },
  });
  const fold = h("button", { type: "button", class: "tool fold", "aria-label": "Fold the legend", "aria-expanded": "true", onclick: () => setFolded(!panel.classList.contains("is-folded")) }, icon("left"));
  const panel = h(
    "section",
    { class: "map-panel", "aria-label": "Legend" },
    h("header", null, h("label", null, "Colour by ", select), fold),
    legend.element,
  );
  const setFolded = (/** @type {boolean} */ isFolded) => {
    panel.classList.toggle("is-folded", isFolded);
    fold.setAttribute("aria-expanded", String(!isFolded));
  };
  setFolded(innerWidth < 620);
  const tool = (/** @type {string} */ name, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
    h("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick }, icon(name));
  const lassoTool = tool("lasso", "Select by lasso (L, or hold Shift)", () => setLasso(!isLasso));
  lassoTool.setAttribute("aria-pressed", "false");
  const tools = h(
    "div",
    { class: "map-tools", role: "toolbar", "aria-label": "Map" },
    tool("plus", "Zoom in (+)", () => zoom(1.6)),
    tool("minus", "Zoom out (−)", () => zoom(1 / 1.6)),
    tool("home", "Show all (0)", home),
    lassoTool,
  );
  const about = createAbout({
    open: (id) => provider.open(id),
    close: () => select_(null),
    zoom: zoomToSelection,
  });
  const strip = info.dates && info.dates[1] > info.dates[0] ? createStrip(points, info.dates, brushed) : null;
  const element = h("div", { class: "map" }, canvas, over, panel, tools, about.element, strip?.element ?? null, finder.tip, said);

  const labels = createLabels(() => getComputedStyle(element).fontFamily || "sans-serif");
  const titles = createTitles({
    points,
    view,
    isShown: (row) => isShown(row),
    rowsIn: finder.within,
    describe: (rows, signal) => provider.describe(rows, signal),
    topicLabel: labels.ofTopic,
    changed(next) {
      labels.setExtra(next);
      draw();
    },
  });

  /** @param {number} row */
  const isShown = (row) => {
    if (only.size && !only.has(scheme.kinds[row] ?? 0)) return false;
    const marks = selected?.inside ?? found;
    if (marks && !marks[row]) return false;
    if (!days) return true;
    const day = points.day[row] ?? NO_DAY;
    return day >= days[0] && day <= days[1];
  };

  // Drawing. While the view moves, as many points are drawn as a frame has time for.
  let budget = points.n;
  let isMoving = false;
  let settle = 0;
  let last = 0;
  let asked = 0;
  /** Milliseconds of the latest frames, for tests and for `?`. @type {number[]} */
  const frames = [];

  function drawNow() {
    cancelAnimationFrame(asked);
    asked = 0;
    const dark = isDark();
    const { w, h: high } = view.size;
    const z = view.zoom();
    const count = isMoving ? Math.min(points.n, Math.round(budget)) : points.n;
    const base = Math.max(1.5, Math.min(9, 12.5 - 2 * Math.log10(Math.max(10, points.n))));
    const size = Math.min(18, base * Math.max(0.7, z ** 0.4) * (w < 560 ? 0.85 : 1));
    // The more points lie on each other, the less each covers.
    const alpha = Math.min(0.92, Math.max(0.16, 1.25 - 0.18 * Math.log10(Math.max(10, points.n))) * Math.max(1, z ** 0.35));
    const marks = selected?.inside ?? found;
    const began = performance.now();
    renderer.draw(view, {
      count,
      size,
      alpha,
      days,
      strongSize: selected ? size : Math.max(size * 1.5, size + 2),
      hasStrong: marks !== null,
      hasDim: marks !== null,
      ground: Math.max(0, Math.min(1, 1.35 - Math.log2(Math.max(1, z)) * 0.3)) * (marks ? 0.45 : 1),
      dark,
      ratio,
    });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, high);
    const isFading = labels.draw(pen, view, {
      dark,
      zoom: z,
      size,
      isHidden: (label) => scheme.id === "topic" && only.size > 0 && !only.has(label.topic + 1),
      strong: strongTopic,
      dim: marks !== null,
      blocked: blocked(),
      crowd: points.n <= SPARED ? crowd : null,
    });
    drawOver(pen, view, {
      ink: dark ? "#eef1f5" : "#14181d",
      dark,
      size,
      current: current < 0 ? null : { at: place(current), near: near.map(place) },
      hovered: finder.row() < 0 ? null : place(finder.row()),
      path: drawing ?? lasso?.map(([x, y]) => view.toScreen(x, y)) ?? null,
      isFocused: over.matches(":focus-visible"),
    });
    frames.push(performance.now() - began);
    if (frames.length > 240) frames.shift();
    if (isFading) draw();
  }

  const place = (/** @type {number} */ row) => view.toScreen(points.x[row] ?? 0, points.y[row] ?? 0);

  /** How many points lie in a box of the screen. @param {[number, number, number, number]} box */
  function crowd(box) {
    let count = 0;
    for (let row = 0; row < points.n; row++) {
      const [x, y] = place(row);
      if (x > box[0] && x < box[2] && y > box[1] && y < box[3]) count++;
    }
    return count;
  }

  /** What lies over the map, where no label has room. @returns {[number, number, number, number][]} */
  let covers = /** @type {[number, number, number, number][]} */ ([]);
  const blocked = () => covers;
  function measure() {
    const box = element.getBoundingClientRect();
    covers = [panel, tools, about.element, ...(strip ? [strip.element] : [])]
      .filter((e) => !(/** @type {HTMLElement} */ (e).hidden))
      .map((e) => {
        const b = e.getBoundingClientRect();
        return [b.left - box.left, b.top - box.top, b.right - box.left, b.bottom - box.top];
      });
  }

  function draw() {
    if (!asked && isLive) asked = requestAnimationFrame(drawNow);
  }

  function moved() {
    const now = performance.now();
    const took = now - last;
    if (isMoving && took < 1000) {
      if (took > 34) budget = Math.max(4000, budget * Math.max(0.5, 28 / took));
      else if (took < 21) budget = Math.min(points.n, budget * 1.12);
    }
    last = now;
    isMoving = true;
    clearTimeout(settle);
    settle = setTimeout(() => {
      isMoving = false;
      draw();
      tell();
      void titles.settled();
    }, 180);
    draw();
  }

  function resize() {
    if (!element.clientWidth || !element.clientHeight) return;
    ratio = Math.min(3, devicePixelRatio || 1);
    for (const c of [canvas, over]) {
      c.width = Math.round(element.clientWidth * ratio);
      c.height = Math.round(element.clientHeight * ratio);
    }
    const isWide = element.clientWidth > 760;
    view.resize(element.clientWidth, element.clientHeight, {
      left: isWide && !panel.classList.contains("is-folded") ? 230 : 8,
      right: isWide ? 40 : 8,
      top: 8,
      bottom: strip ? 84 : 8,
    });
    measure();
    cancelAnimationFrame(asked);
    drawNow();
  }

  let waiting = 0;
  /** The ground is made anew a little after what it shows has changed. */
  function ground() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      renderer.setDensity(densityOf(points, scheme.kinds, paletteOf(scheme, isDark(), only), isShown, view.unit));
      draw();
      void titles.settled();
    }, 90);
  }

  function repaint() {
    const dark = isDark();
    renderer.setKinds(scheme.kinds);
    renderer.setPalette(paletteOf(scheme, dark, only));
    const marks = selected?.inside ?? found;
    if (marks) renderer.setMarks(marks);
    labels.set(
      labelsOf(info.topics, info.tree, (topic) => {
        const c = topicScheme.classes[topic];
        return c && scheme.id === "topic" ? (dark ? c.dark : c.light) : null;
      }),
    );
    titles.forget();
    legend.show(scheme, dark, only);
    strip?.themed();
    ground();
    recount();
    draw();
  }

  const recount = () =>
    strip?.count((row) => {
      const marks = selected?.inside ?? found;
      return !(only.size && !only.has(scheme.kinds[row] ?? 0)) && !(marks && !marks[row]);
    });

  /** @param {string} id @param {string[]} [names] what alone is shown */
  async function recolour(id, names = []) {
    if (id.startsWith(FIELD) && !schemes.has(id)) {
      const name = id.slice(FIELD.length);
      try {
        schemes.set(id, byField(name, await provider.field(name), points.n));
      } catch (error) {
        said.textContent = error instanceof Error ? error.message : String(error);
        select.value = scheme.id;
        return;
      }
    }
    scheme = built(id);
    select.value = scheme.id;
    only = new Set();
    for (const name of names) {
      const i = scheme.classes.findIndex((c) => c.name === name);
      if (i >= 0) only.add(i + 1);
      else if (name === "") only.add(0);
    }
    repaint();
    tell();
  }

  /** @param {number} row */
  async function open(row) {
    try {
      const brief = await finder.describe(row);
      if (!brief) return;
      said.textContent = brief.title;
      provider.open(brief.id);
    } catch (error) {
      said.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {number} px @param {number} py */
  function tap(px, py) {
    const label = labels.at(px, py);
    // On a title one means its article, but for a point that one hits.
    const row = finder.pick(px, py, label?.row === undefined ? 14 : 5);
    if (row >= 0) {
      void open(row);
      return;
    }
    if (label?.row !== undefined) void open(label.row);
    else if (label) zoomTo((i) => (label.level <= 1 ? points.topic[i] === label.topic : points.topic[i] === label.topic && Math.hypot((points.x[i] ?? 0) - label.x, (points.y[i] ?? 0) - label.y) < 5000));
  }

  /** Zooms to where most of these rows are. @param {(row: number) => boolean} isIn */
  function zoomTo(isIn) {
    /** @type {number[]} */
    const xs = [];
    /** @type {number[]} */
    const ys = [];
    for (let i = 0; i < points.n && xs.length < 20_000; i++) {
      if (!isIn(i)) continue;
      xs.push(points.x[i] ?? 0);
      ys.push(points.y[i] ?? 0);
    }
    if (!xs.length) return;
    xs.sort((a, b) => a - b);
    ys.sort((a, b) => a - b);
    const at = (/** @type {number[]} */ v, /** @type {number} */ q) => v[Math.round(q * (v.length - 1))] ?? 0;
    view.fly(view.around(at(xs, 0.04), at(ys, 0.04), at(xs, 0.96), at(ys, 0.96)), moved);
  }

  function zoomToSelection() {
    const inside = selected?.inside;
    if (inside) zoomTo((i) => inside[i] === 1);
  }

  /** @param {number} factor */
  function zoom(factor) {
    const { x, y, scale } = view.at;
    view.fly({ x, y, scale: scale * factor }, moved);
  }
  function home() {
    view.fly(view.home(), moved);
  }

  /** @param {boolean} on */
  function setLasso(on) {
    isLasso = on;
    lassoTool.setAttribute("aria-pressed", String(on));
    over.classList.toggle("is-lasso", on);
  }

  /** @type {AbortController | null} */
  let aboutAsk = null;
  /** Selects what lies within a polygon, or ends the selection. @param {[number, number][] | null} polygon @param {boolean} [isQuiet] */
  function select_(polygon, isQuiet) {
    aboutAsk?.abort();
    lasso = polygon;
    selected = polygon ? within(points, polygon) : null;
    if (selected) {
      // What the colours and dates hide is not selected.
      const { inside } = selected;
      const all = selected;
      selected = null;
      let count = 0;
      for (let i = 0; i < points.n; i++) {
        if (inside[i] && isShown(i)) count++;
        else inside[i] = 0;
      }
      selected = count ? { inside: all.inside, count } : null;
      if (!selected) {
        lasso = null;
        said.textContent = "No article is in there.";
      }
    }
    const marks = selected?.inside ?? found;
    if (marks) renderer.setMarks(marks);
    if (selected) {
      void ask(selected);
    } else about.hide();
    measure();
    recount();
    ground();
    draw();
    if (!isQuiet) tell();
  }

  /** @param {{ inside: Uint8Array, count: number }} of */
  async function ask(of) {
    about.wait(of.count);
    /** @type {number[]} */
    const rows = [];
    for (let i = 0; i < points.n && rows.length < ASKED; i++) if (of.inside[i]) rows.push(i);
    aboutAsk = new AbortController();
    try {
      const answer = await provider.about(rows, aboutAsk.signal);
      if (selected !== of) return;
      about.show(answer, of.count);
      said.textContent = `${counted(of.count, "article")} selected: ${answer.terms.slice(0, 5).join(", ")}`;
    } catch (error) {
      if (selected === of) about.fail(error instanceof Error ? error.message : String(error));
    }
    measure();
    draw();
  }

  /** @param {[number, number] | null} range */
  function brushed(range) {
    days = range;
    ground();
    moved();
  }

  listen(over, view, {
    moved,
    hover: finder.hover,
    leave: finder.leave,
    tap,
    isLasso: () => isLasso,
    lasso(path, isDone) {
      drawing = isDone || path.length < 2 ? null : [...path];
      if (isDone) {
        drawing = null;
        const step = Math.max(1, path.length / CORNERS);
        /** @type {[number, number][]} */
        const corners = [];
        for (let i = 0; i < path.length; i += step) {
          const [x, y] = view.toMap(...(path[Math.floor(i)] ?? [0, 0]));
          corners.push([Math.round(x), Math.round(y)]);
        }
        setLasso(false);
        select_(corners);
      }
      draw();
    },
    key(e) {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const step = e.shiftKey ? 240 : 70;
      /** @type {Record<string, () => void>} */
      const keys = {
        ArrowLeft: () => view.pan(step, 0),
        ArrowRight: () => view.pan(-step, 0),
        ArrowUp: () => view.pan(0, step),
        ArrowDown: () => view.pan(0, -step),
        "+": () => zoom(1.5),
        "=": () => zoom(1.5),
        "-": () => zoom(1 / 1.5),
        0: home,
        l: () => setLasso(!isLasso),
        Enter: () => {
          const row = finder.pick(view.size.w / 2, view.size.h / 2, 400);
          if (row >= 0) void open(row);
        },
      };
      const act = keys[e.key];
      if (e.key === "Escape" && (selected || isLasso)) {
        setLasso(false);
        select_(null);
        e.stopPropagation();
        return;
      }
      if (!act) return;
      e.preventDefault();
      act();
      moved();
    },
  });
  over.addEventListener("focus", draw);
  over.addEventListener("blur", draw);
  new ResizeObserver(resize).observe(element);
  new ResizeObserver(() => {
    measure();
    draw();
  }).observe(panel);

  /** @returns {MapState} */
  function state() {
    const home_ = view.home();
    const { x, y, scale } = view.at;
    const isHome = Math.abs(x - home_.x) * scale < 2 && Math.abs(y - home_.y) * scale < 2 && Math.abs(scale / home_.scale - 1) < 0.01;
    const names = [...only].map((k) => (k ? (scheme.classes[k - 1]?.name ?? "") : ""));
    return {
      at: isHome ? null : [Math.round(x), Math.round(y), Number(view.zoom().toFixed(3))],
      colour: scheme.id,
      only: names,
      days,
      lasso,
    };
  }
  let isTold = true;
  const tell = () => {
    if (isTold) changed(state());
  };

  repaint();

  /** @type {AbortController | null} */
  let currentAsk = null;
  return {
    element,
    kind: renderer.kind,
    frames,
    labels: labels.all,
    state,
    draw,
    /** Draws at once, for whoever reads the canvas in the same turn. */
    paint: drawNow,
    resize,
    /** Follows the theme of the page. */
    themed: repaint,
    /** Whether it is looked at: what is hidden is not drawn. @param {boolean} on */
    live(on) {
      isLive = on;
      if (on) resize();
      else strip?.stop();
    },
    /** @param {Partial<MapState>} next */
    async restore(next) {
      isTold = false;
      try {
        const id = next.colour && [...select.options].some((o) => o.value === next.colour) ? next.colour : scheme.id;
        if (id !== scheme.id || next.only) await recolour(id, next.only ?? []);
        days = next.days ?? null;
        strip?.set(days, true);
        if (next.at) Object.assign(view.at, { x: next.at[0], y: next.at[1], scale: view.home().scale * next.at[2] });
        select_(next.lasso && next.lasso.length > 2 ? next.lasso : null, true);
        void titles.settled();
      } finally {
        isTold = true;
      }
    },
    /** Marks the rows that were found; null ends it. @param {ArrayLike<number> | null} rows */
    mark(rows) {
      found = null;
      if (rows) {
        found = new Uint8Array(points.n);
        for (let i = 0; i < rows.length; i++) found[rows[i] ?? 0] = 1;
        if (!selected) renderer.setMarks(found);
      }
      ground();
      recount();
      draw();
    },
    /** Zooms to the rows that were found. */
    toFound() {
      const rows = found;
      if (rows) zoomTo((i) => rows[i] === 1);
    },
    /** Shows which article is open, and its neighbours. @param {string | null} id */
    async point(id) {
      currentAsk?.abort();
      current = -1;
      near = [];
      draw();
      if (!id) return;
      currentAsk = new AbortController();
      const { signal } = currentAsk;
      try {
        const row = await provider.rowOf(id, signal);
        if (signal.aborted || row < 0) return;
        current = row;
        draw();
        const [x, y] = place(row);
        const isSeen = x > 20 && y > 20 && x < view.size.w - 20 && y < view.size.h - 90;
        if (!isSeen) view.fly({ x: (points.x[row] ?? 0) * view.unit.x, y: (points.y[row] ?? 0) * view.unit.y, scale: view.at.scale }, moved);
        near = await provider.neighbours(row, id, signal);
        draw();
      } catch {
        // The article is shown beside the map all the same.
      }
    },
    end() {
      isLive = false;
      view.stop();
      strip?.stop();
      aboutAsk?.abort();
      finder.end();
      titles.end();
    },
  };
}

/** @typedef {ReturnType<typeof createMap>} MapWidget */
