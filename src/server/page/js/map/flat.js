// Points without a GPU: written as pixels, which is many times faster than drawing shapes.

/** @import { Points } from "./points.js" */
/** @import { Renderer } from "./gl.js" */

import { MARGIN } from "./density.js";

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
      /**
       * Draws the discs of one size: `inkOf` has the colours of a row, null for none.
       *
       * @param {number} diameter @param {number} count @param {(i: number) => Uint32Array | null} inkOf
       */
      const discs = (diameter, count, inkOf) => {
        const side = Math.max(1, Math.round(diameter + 0.3));
        // How far each row of a disc's pixels reaches.
        const inset = Array.from({ length: side }, (_, row) => {
          const dy = row + 0.5 - side / 2;
          return side < 3 ? 0 : Math.round(side / 2 - Math.sqrt(Math.max(0.25, (side * side) / 4 - dy * dy)) + (side === 3 && dy !== 0 ? 0.5 : 0));
        });
        for (let i = 0; i < count; i++) {
          const ink = inkOf(i);
          if (!ink) continue;
          const colour = ink[kinds[i] ?? 0] ?? 0;
          if (colour >>> 24 === 0) continue;
          const x = Math.round(ox + (xs[i] ?? 0) * sx - side / 2);
          const y = Math.round(oy + (ys[i] ?? 0) * sy - side / 2);
          if (x < 0 || y < 0 || x + side > w || y + side > h) continue;
          // The edge is soft where nothing lies below it.
          const soft = ((((colour >>> 24) * 0.4) << 24) | (colour & 0xffffff)) >>> 0;
          for (let row = 0; row < side; row++) {
            const gap = inset[row] ?? 0;
            const from = (y + row) * w + x + gap;
            const to = from + side - 2 * gap;
            for (let at = from; at < to; at++) pixels[at] = colour;
            if (gap > 0) {
              if (!pixels[from - 1]) pixels[from - 1] = soft;
              if (!pixels[to]) pixels[to] = soft;
            }
          }
        }
      };
      discs(frame.size * ratio, frame.count, (i) => (isOff(i) ? faint : plain));
      if (frame.hasStrong) discs(frame.strongSize * ratio, points.n, (i) => (marks[i] && !isOff(i) ? strong : null));
      layerPen.putImageData(image, 0, 0);
      pen.drawImage(layer, 0, 0);
    },
  };
}
