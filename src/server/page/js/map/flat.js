// Points without a GPU: written as pixels, which is many times faster than drawing shapes.

/** @import { Points } from "./points.js" */
/** @import { Renderer } from "./gl.js" */

import { MARGIN } from "./density.js";

/** Places within a pixel, in each direction, that a disc is drawn at. */
const PHASES = 4;
/** Places along a side of a pixel that are looked at for how much of it a disc covers. */
const LOOKS = 4;

/** Pixels of discs up to which their edges are mixed with what lies below: that takes several times as long. */
const FINE = 300_000;

/** The latest discs by their diameter. @type {Map<number, { side: number, cover: Uint8Array }>} */
const madeDiscs = new Map();

/**
 * How much of each pixel a disc covers, 0 to 255, for each place within a pixel.
 *
 * @param {number} wanted its diameter in pixels
 */
function discOf(wanted) {
  const diameter = Math.max(1, Math.round(wanted * 8) / 8);
  const have = madeDiscs.get(diameter);
  if (have) return have;
  const side = Math.ceil(diameter) + 1;
  const cover = new Uint8Array(PHASES * PHASES * side * side);
  const reach = (diameter / 2) ** 2;
  for (let phase = 0; phase < PHASES * PHASES; phase++) {
    const cx = (side - 1) / 2 + (phase % PHASES) / PHASES;
    const cy = (side - 1) / 2 + Math.floor(phase / PHASES) / PHASES;
    for (let row = 0; row < side; row++) {
      for (let c = 0; c < side; c++) {
        let inside = 0;
        for (let look = 0; look < LOOKS * LOOKS; look++) {
          const dx = c + ((look % LOOKS) + 0.5) / LOOKS - cx;
          const dy = row + (Math.floor(look / LOOKS) + 0.5) / LOOKS - cy;
          if (dx * dx + dy * dy <= reach) inside++;
        }
        cover[(phase * side + row) * side + c] = Math.round((255 * inside) / (LOOKS * LOOKS));
      }
    }
  }
  if (madeDiscs.size > 8) madeDiscs.clear();
  const made = { side, cover };
  madeDiscs.set(diameter, made);
  return made;
}

/** A colour over one that is there, as it lies in an image's memory. @param {number} below @param {number} rgb @param {number} alpha 0 to 255 */
function blended(below, rgb, alpha) {
  const rest = ((below >>> 24) * (255 - alpha)) / 255;
  const all = alpha + rest;
  if (all < 1) return below;
  const share = alpha / all;
  const mixed = (/** @type {number} */ shift) => Math.round(((below >>> shift) & 255) * (1 - share) + ((rgb >>> shift) & 255) * share);
  return ((Math.round(all) << 24) | (mixed(16) << 16) | (mixed(8) << 8) | mixed(0)) >>> 0;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Points} points
 * @returns {Renderer}
 */
export function flatRenderer(canvas, points) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const layer = document.createElement("canvas");
  const layerPen = /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d", { willReadFrequently: true }));
  const ground = document.createElement("canvas");
  /** @type {ImageData | null} */
  let image = null;
  let kinds = new Uint16Array(points.n);
  let marks = new Uint8Array(points.n);
  let palette = new Uint8Array(4);

  /** A colour as one number, as it lies in an image's memory. @param {number} alpha */
  const inks = (alpha) => {
    const out = new Uint32Array(palette.length / 4);
    for (let k = 0; k < out.length; k++) {
      const a = Math.round((palette[4 * k + 3] ?? 0) * alpha);
      out[k] = ((a << 24) | ((palette[4 * k + 2] ?? 0) << 16) | ((palette[4 * k + 1] ?? 0) << 8) | (palette[4 * k] ?? 0)) >>> 0;
    }
    return out;
  };

  return {
    kind: "canvas",
    setKinds(next) {
      kinds = /** @type {Uint16Array<ArrayBuffer>} */ (next);
    },
    setMarks(next) {
      marks = /** @type {Uint8Array<ArrayBuffer>} */ (next);
    },
    setPalette(next) {
      palette = /** @type {Uint8Array<ArrayBuffer>} */ (next);
    },
    setDensity({ side, values }) {
      ground.width = side;
      ground.height = side;
      const pixels = new ImageData(side, side);
      for (let i = 0; i < values.length; i += 4) {
        const density = values[i + 3] ?? 0;
        for (let c = 0; c < 3; c++) pixels.data[i + c] = density > 0 ? (255 * (values[i + c] ?? 0)) / density : 0;
        pixels.data[i + 3] = 255 * 0.3 * Math.min(1, Math.max(0, (density - 0.04) / 0.86));
      }
      ground.getContext("2d")?.putImageData(pixels, 0, 0);
    },
    draw(view, frame) {
      const { width: w, height: h } = canvas;
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, w, h);
      const { ratio } = frame;
      const [left, top] = view.toScreen(0, 0);
      const sx = view.unit.x * view.at.scale * ratio;
      const sy = view.unit.y * view.at.scale * ratio;
      const [ox, oy] = [left * ratio, top * ratio];
      if (ground.width > 1 && frame.ground > 0) {
        pen.globalAlpha = frame.ground;
        const span = 65535;
        pen.drawImage(ground, ox - MARGIN * span * sx, oy - MARGIN * span * sy, (1 + 2 * MARGIN) * span * sx, (1 + 2 * MARGIN) * span * sy);
        pen.globalAlpha = 1;
      }
      if (!image || image.width !== w || image.height !== h) {
        image = new ImageData(w, h);
        layer.width = w;
        layer.height = h;
      }
      const pixels = new Uint32Array(image.data.buffer);
      pixels.fill(0);
      // Discs do not add up here as they do with WebGL, so each covers more.
      const plain = inks(Math.sqrt(frame.alpha));
      const faint = inks(0.12);
      const strong = inks(1);
      const [first, last] = frame.days ?? [-2147483648, 2147483647];
      const [dim, xs, ys, days] = [frame.hasDim, points.x, points.y, points.day];
      const isOff = (/** @type {number} */ i) => {
        const day = days[i] ?? 0;
        return day < first || day > last || (dim && !marks[i]);
      };
      const paper = frame.dark ? 0x121212 : 0xffffff;
      /**
       * Draws a disc.
       *
       * @param {number} px @param {number} py its middle @param {ReturnType<typeof discOf>} disc @param {number} colour
       * @param {boolean} isFine whether its edge is soft over others too
       */
      const put = (px, py, { side, cover }, colour, isFine) => {
        const from = px - (side - 1) / 2;
        const to = py - (side - 1) / 2;
        const x = Math.floor(from);
        const y = Math.floor(to);
        if (x <= -side || y <= -side || x >= w || y >= h) return;
        // Where in its pixel it lies tells how its edge covers those around.
        const base = side * side * (Math.floor((from - x) * PHASES) + PHASES * Math.floor((to - y) * PHASES));
        const alpha = colour >>> 24;
        const rgb = colour & 0xffffff;
        const left = Math.max(0, -x);
        const right = Math.min(side, w - x);
        const lowest = Math.min(side, h - y);
        for (let row = Math.max(0, -y); row < lowest; row++) {
          const line = (y + row) * w + x;
          const of = base + row * side;
          for (let c = left; c < right; c++) {
            const part = cover[of + c] ?? 0;
            if (part === 0) continue;
            const at = line + c;
            if (part === 255 || (part > 127 && !isFine && pixels[at] !== 0)) {
              pixels[at] = colour;
              continue;
            }
            const below = pixels[at] ?? 0;
            if (below === 0) pixels[at] = ((((alpha * part) / 255) << 24) | rgb) >>> 0;
            else if (isFine) pixels[at] = blended(below, rgb, (alpha * part) / 255);
          }
        }
      };
      /**
       * Draws the discs of one size: `inkOf` has the colours of a row, null for none.
       *
       * @param {number} diameter @param {number} count @param {(i: number) => Uint32Array | null} inkOf
       */
      const discs = (diameter, count, inkOf) => {
        // Large points have a rim, so that they stay apart where they overlap.
        const hasRim = diameter > 7;
        const inner = discOf(hasRim ? diameter - 1.6 : diameter);
        const outer = hasRim ? discOf(diameter) : null;
        const isFine = count * diameter * diameter < FINE;
        for (let i = 0; i < count; i++) {
          const ink = inkOf(i);
          if (!ink) continue;
          const colour = ink[kinds[i] ?? 0] ?? 0;
          if (colour >>> 24 === 0) continue;
          const px = ox + (xs[i] ?? 0) * sx;
          const py = oy + (ys[i] ?? 0) * sy;
          if (outer) put(px, py, outer, ((((colour >>> 24) * 0.75) << 24) | paper) >>> 0, isFine);
          put(px, py, inner, colour, isFine);
        }
      };
      discs(frame.size * ratio, frame.count, (i) => (isOff(i) ? faint : plain));
      if (frame.hasStrong) discs(frame.strongSize * ratio, points.n, (i) => (marks[i] && !isOff(i) ? strong : null));
      layerPen.putImageData(image, 0, 0);
      pen.drawImage(layer, 0, 0);
    },
  };
}
