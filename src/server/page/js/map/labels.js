// Labels of topics: as many as have room, those of the tree's upper levels first, those of its
// lower levels as one comes nearer.

/** @import { Rgb, MapNode } from "../types.js" */
/** @import { MapView } from "./view.js" */

/** @typedef {{ label: string, x: number, y: number, size: number, level: number, colour: Rgb | null, topic: number, row?: number }} Label
 *   `row`: the article that it is the title of */
/** @typedef {{ label: Label, lines: string[], font: number, box: [number, number, number, number], off: [number, number], shown: number }} Placed
 *   `off`: how far its middle is from where its points are */

/** Characters of a line. */
const LINE = 20;
/** Those of a line of an article's title. */
const TITLE_LINE = 28;
/** The level of titles, behind all of the tree. */
export const TITLE = 20;
/** Pixels that stay free at the edges, and those that a label may stand away from its points. */
const EDGE = 2;
const AWAY = 10;

/** @param {string} text @param {number} most lines @param {number} room characters of a line */
function linesOf(text, most, room) {
  const words = text.split(/\s+/);
  /** @type {string[]} */
  const lines = [];
  for (const word of words) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.length > 30 ? `${word.slice(0, 29)}…` : word);
  }
  return lines.length > most ? [...lines.slice(0, most - 1), `${lines[most - 1]}…`] : lines;
}

/** @param {() => string} family the font of the page */
export function createLabels(family) {
  /** @type {Label[]} */
  let labels = [];
  /** What is named in view alone. @type {Label[]} */
  let extra = [];
  /** @type {Map<Label, Placed>} */
  let shown = new Map();
  /** @type {Map<string, number>} */
  const widths = new Map();

  return {
    /** @param {Label[]} next the most important first */
    set(next) {
      labels = next;
      shown = new Map();
    },
    /** Names and titles of what is in view now, which have what room the others leave. @param {Label[]} next */
    setExtra(next) {
      extra = next;
    },
    /** The label of a topic itself. @param {number} topic */
    ofTopic: (topic) => labels.find((label) => label.topic === topic && label.level === 1) ?? null,
    /** The label at a place on the screen. @param {number} px @param {number} py */
    at(px, py) {
      for (const { label, box } of shown.values()) {
        if (px >= box[0] && px <= box[2] && py >= box[1] && py <= box[3]) return label;
      }
      return null;
    },
    /** What is shown and where, for tests. */
    all: () => [...shown.values()].map(({ label, box }) => ({ label: label.label, box, isTitle: label.row !== undefined })),
    /**
     * Places and draws them. Returns whether some are still fading in or out.
     *
     * @param {CanvasRenderingContext2D} pen
     * @param {MapView} view
     * @param {{ dark: boolean, zoom: number, size: number, isHidden: (label: Label) => boolean, strong: number | null, dim: boolean, blocked: [number, number, number, number][],
     *   crowd: ((box: [number, number, number, number]) => number) | null }} how `size`: of a point, in pixels; `crowd`: how many points lie in a box, where they are few enough to be spared
     */
    draw(pen, view, { dark, zoom, size, isHidden, strong, dim, blocked, crowd }) {
      const { w, h } = view.size;
      const narrow = w < 560;
      // Each level of the tree comes in when one is so near.
      const deepest = zoom < 1.7 ? 1 : zoom < 3.4 ? 2 : zoom < 7 ? 3 : 9;
      /** @type {[number, number, number, number][]} */
      const taken = [...blocked];
      /** @type {Map<Label, Placed>} */
      const next = new Map();
      const limit = narrow ? 14 : 60;
      for (const label of [...labels, ...extra]) {
        if (next.size >= limit) break;
        const isTitle = label.row !== undefined;
        if ((label.level > deepest && !isTitle) || isHidden(label)) continue;
        const [x, y] = view.toScreen(label.x, label.y);
        if (x < -AWAY || x > w + AWAY || y < -AWAY || y > h + AWAY) continue;
        const font = Math.round((label.level <= 1 ? 13.5 : isTitle ? 11.5 : 12) + (narrow ? -1.5 : 0) + (label.level <= 1 ? Math.min(4, Math.log10(1 + label.size) * 0.8) : 0));
        const lines = isTitle ? linesOf(label.label, 2, TITLE_LINE) : linesOf(label.label, 3, LINE);
        pen.font = fontOf(font, label.level, family());
        let wide = 0;
        for (const line of lines) {
          const key = `${pen.font}/${line}`;
          const width = widths.get(key) ?? pen.measureText(line).width;
          widths.set(key, width);
          wide = Math.max(wide, width);
        }
        const high = lines.length * font * 1.12;
        /** @type {[number, number, number, number] | null} */
        let best = null;
        let least = Infinity;
        const [dx, dy] = [wide / 2 + 6, high / 2 + 4];
        // A label stands whole within the map, and only where it is seen what it is of.
        const cx = Math.min(w - EDGE - dx, Math.max(EDGE + dx, x));
        if (Math.abs(cx - x) > dx + AWAY) continue;
        // A title stands below or above its point, which is seen.
        const shifts = isTitle ? [1, -1] : crowd ? [0, -0.7, 0.7, -1.3, 1.3, -2, 2] : [0, -0.6, 0.6, -1.1, 1.1];
        for (const shift of shifts) {
          const cy = isTitle ? y + shift * (dy + size / 2) : Math.min(h - EDGE - dy, Math.max(EDGE + dy, y + shift * high));
          if (isTitle ? cy - dy < EDGE || cy + dy > h - EDGE : Math.abs(cy - y) > 2 * high + AWAY) continue;
          /** @type {[number, number, number, number]} */
          const box = [cx - dx, cy - dy, cx + dx, cy + dy];
          if (taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
          // Few points are worth more than a label that stands exactly in their middle.
          const cost = (crowd?.(box) ?? 0) + Math.abs(shift) * 0.8;
          if (cost >= least) continue;
          least = cost;
          best = box;
          if (!crowd) break;
        }
        if (best) {
          taken.push(best);
          next.set(label, { label, lines, font, box: best, off: [cx - x, (best[1] + best[3]) / 2 - y], shown: shown.get(label)?.shown ?? 0 });
        }
      }
      // What has no room any more fades out where it stood.
      for (const [label, old] of shown) {
        if (!next.has(label) && old.shown > 0.05 && !isHidden(label)) {
          const at = view.toScreen(label.x, label.y);
          const [x, y] = [at[0] + old.off[0], at[1] + old.off[1]];
          const [dx, dy] = [(old.box[2] - old.box[0]) / 2, (old.box[3] - old.box[1]) / 2];
          next.set(label, { ...old, box: [x - dx, y - dy, x + dx, y + dy], shown: -old.shown });
        }
      }
      let isFading = false;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.lineJoin = "round";
      for (const placed of next.values()) {
        const goes = placed.shown < 0;
        placed.shown = goes ? Math.max(0, -placed.shown - 0.16) : Math.min(1, placed.shown + 0.16);
        if (goes || placed.shown < 1) isFading = true;
        const { label, lines, font, box } = placed;
        const [cx, cy] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
        pen.font = fontOf(font, label.level, family());
        const faded = strong !== null && strong !== label.topic ? 0.25 : dim ? 0.55 : 1;
        pen.globalAlpha = placed.shown * faded;
        lines.forEach((line, i) => {
          const y = cy + (i - (lines.length - 1) / 2) * font * 1.12;
          pen.strokeStyle = dark ? "rgb(15 18 22 / 0.86)" : "rgb(255 255 255 / 0.88)";
          pen.lineWidth = 4.5;
          pen.strokeText(line, cx, y);
          pen.fillStyle = inkOf(label.colour, dark);
          pen.fillText(line, cx, y);
        });
      }
      pen.globalAlpha = 1;
      for (const [label, placed] of next) if (placed.shown === 0) next.delete(label);
      shown = next;
      return isFading;
    },
  };
}

/** @typedef {ReturnType<typeof createLabels>} Labels */

/** @param {number} size @param {number} level @param {string} family */
const fontOf = (size, level, family) => `${level <= 1 ? 650 : level < TITLE ? 550 : 400} ${size}px ${family}`;

/** The colour of a topic, near enough to the ink to be read. @param {Rgb | null} colour @param {boolean} dark */
function inkOf(colour, dark) {
  const ink = dark ? [240, 243, 246] : [22, 26, 31];
  const part = colour ? (dark ? 0.42 : 0.5) : 0;
  const mixed = ink.map((v, i) => Math.round(v * (1 - part) + (colour?.[i] ?? 0) * part));
  return `rgb(${mixed.join(" ")})`;
}

/**
 * The labels of a map: the topics, and the nodes of the tree below them.
 *
 * @param {{ id: number, label: string, size: number, x: number | null, y: number | null }[]} topics
 * @param {MapNode[]} tree
 * @param {(topic: number) => Rgb | null} colour by the topic's place in `topics`
 * @returns {Label[]}
 */
export function labelsOf(topics, tree, colour) {
  /** @type {Label[]} */
  const out = [];
  topics.forEach((t, i) => {
    if (t.x !== null && t.y !== null && t.size > 0) {
      out.push({ label: t.label, x: t.x, y: t.y, size: t.size, level: 1, colour: colour(i), topic: i });
    }
  });
  const names = new Set(out.map((l) => l.label));
  const byId = new Map(tree.map((node) => [node.id, node]));
  const ofTopic = new Map(topics.map((t, i) => [t.id, i]));
  const ofLabel = new Map(topics.map((t, i) => [t.label, i]));
  /** The topic that a part is of, and how far below it. @param {MapNode} node @returns {[number, number]} */
  const owner = (node) => {
    let below = 0;
    /** @type {MapNode | undefined} */
    let at = node;
    const seen = new Set();
    while (at && !seen.has(at.id)) {
      const topic = at.topic === undefined ? ofLabel.get(at.label) : at.topic === null ? undefined : ofTopic.get(at.topic);
      if (topic !== undefined) return [topic, below];
      seen.add(at.id);
      below++;
      at = at.parent === null ? undefined : byId.get(at.parent);
    }
    return [-1, below];
  };
  const parts = [];
  for (const node of tree) {
    if (node.x === null || node.y === null || names.has(node.label)) continue;
    const [topic, below] = owner(node);
    // What stands above the topics would say what they say; parts are what one comes nearer for.
    if (topic < 0) continue;
    names.add(node.label);
    parts.push({ label: node.label, x: node.x, y: node.y, size: node.size, level: 1 + below, colour: colour(topic), topic });
  }
  parts.sort((a, b) => a.level - b.level || b.size - a.size);
  return [...out.sort((a, b) => b.size - a.size), ...parts];
}
