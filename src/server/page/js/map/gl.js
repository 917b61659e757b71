// Points by WebGL2: a million of them are one call to draw.

/** @import { Points } from "./points.js" */
/** @import { MapView } from "./view.js" */
/** @import { Density } from "./density.js" */

import { MARGIN } from "./density.js";

/**
 * What is drawn in a frame.
 *
 * @typedef {{
 *   count: number, size: number, strongSize: number, alpha: number, days: [number, number] | null, hasStrong: boolean, hasDim: boolean,
 *   ground: number, dark: boolean, ratio: number
 * }} Frame
 */

/**
 * What draws points: this, or `flat.js` where there is no WebGL2.
 *
 * @typedef {{
 *   kind: "webgl2" | "canvas",
 *   setKinds(kinds: Uint16Array): void,
 *   setPalette(palette: Uint8Array): void,
 *   setMarks(marks: Uint8Array): void,
 *   setDensity(density: Density): void,
 *   draw(view: MapView, frame: Frame): void
 * }} Renderer
 */

const POINTS = `#version 300 es
precision highp float;
precision highp int;
layout(location = 0) in vec2 place;
layout(location = 1) in uint kind;
layout(location = 2) in int day;
layout(location = 3) in uint mark;
uniform vec2 scale, shift;
uniform float size, strongSize, alpha;
uniform ivec2 days;
uniform bool strong, dimmed;
uniform sampler2D palette;
out vec4 ink;
flat out float width;
void main() {
  vec4 colour = texelFetch(palette, ivec2(int(kind & 255u), int(kind >> 8u)), 0);
  bool off = day < days.x || day > days.y || (dimmed && mark == 0u);
  float a = colour.a * (off ? 0.1 : strong ? 1.0 : alpha);
  width = strong ? strongSize : size;
  bool drawn = strong ? mark > 0u && !off : mark == 0u || off || !dimmed;
  ink = vec4(colour.rgb, a);
  gl_Position = a > 0.0 && drawn ? vec4(place * scale + shift, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = width + 1.0;
}`;

const DISC = `#version 300 es
precision highp float;
in vec4 ink;
flat in float width;
uniform vec3 paper;
uniform bool strong;
out vec4 colour;
void main() {
  float d = length(gl_PointCoord - 0.5) * (width + 1.0);
  float inside = clamp(width * 0.5 - d + 0.5, 0.0, 1.0);
  // Large points have a rim, so that they stay apart where they overlap.
  float rim = width > 7.0 ? clamp(d - width * 0.5 + 1.3, 0.0, 1.0) : 0.0;
  vec3 rgb = mix(ink.rgb, paper, rim * 0.75);
  float a = ink.a * inside;
  colour = vec4(rgb * a, a);
}`;

const QUAD = `#version 300 es
precision highp float;
uniform vec4 box;
out vec2 at;
void main() {
  vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  at = corner;
  gl_Position = vec4(mix(box.xy, box.zw, corner), 0.0, 1.0);
}`;

const GROUND = `#version 300 es
precision highp float;
in vec2 at;
uniform sampler2D density;
uniform float strength;
uniform bool dark;
out vec4 colour;
void main() {
  vec4 v = texture(density, at);
  vec3 hue = v.rgb / max(v.a, 0.0001);
  float wash = smoothstep(0.04, 0.9, v.a) * (dark ? 0.34 : 0.30);
  // Lines of equal density, as on a map of mountains.
  float level = v.a * 8.0;
  float wide = fwidth(level);
  float line = 1.0 - smoothstep(0.0, 1.4, abs(fract(level - 0.5) - 0.5) / max(wide, 0.0001));
  line *= step(0.5, level) * (1.0 - smoothstep(0.25, 0.7, wide)) * (dark ? 0.16 : 0.20);
  float a = (wash + line * (1.0 - wash)) * strength;
  colour = vec4(hue * a, a);
}`;

/**
 * @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment
 */
function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]])) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("WebGL gives no shader");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "a shader fails");
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "a program fails");
  /** @type {Record<string, WebGLUniformLocation | null>} */
  const of = {};
  const count = Number(gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS));
  for (let i = 0; i < count; i++) {
    const name = gl.getActiveUniform(program, i)?.name;
    if (name) of[name] = gl.getUniformLocation(program, name);
  }
  return { program, of };
}

/** Whether WebGL2 is there and a GPU draws it: where the processor does, pixels are faster written at once. */
export function hasGpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl?.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER) ?? "");
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return gl !== null && !/swiftshader|llvmpipe|software|basic render/i.test(name);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Points} points
 * @returns {Renderer | null} null where the browser has no WebGL2
 */
export function glRenderer(canvas, points) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "high-performance" });
  if (!gl) return null;
  const discs = linked(gl, POINTS, DISC);
  const ground = linked(gl, QUAD, GROUND);
  const n = points.n;

  const all = gl.createVertexArray();
  gl.bindVertexArray(all);
  const places = new Uint16Array(2 * n);
  for (let i = 0; i < n; i++) {
    places[2 * i] = points.x[i] ?? 0;
    places[2 * i + 1] = points.y[i] ?? 0;
  }
  /** @param {number} at @param {ArrayBufferView<ArrayBuffer>} data */
  const buffer = (at, data) => {
    const made = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(at);
    return made;
  };
  buffer(0, places);
  gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
  const kindBuffer = buffer(1, new Uint16Array(n));
  gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_SHORT, 0, 0);
  buffer(2, /** @type {Int32Array<ArrayBuffer>} */ (points.day));
  gl.vertexAttribIPointer(2, 1, gl.INT, 0, 0);
  const markBuffer = buffer(3, new Uint8Array(n));
  gl.vertexAttribIPointer(3, 1, gl.UNSIGNED_BYTE, 0, 0);
  const none = gl.createVertexArray();

  /** @param {number} unit @param {number} filter */
  const texture = (unit, filter) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  };
  texture(0, gl.NEAREST);
  texture(1, gl.LINEAR);
  let hasGround = false;
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  return {
    kind: "webgl2",
    setKinds(kinds) {
      gl.bindBuffer(gl.ARRAY_BUFFER, kindBuffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, kinds);
    },
    setMarks(marks) {
      gl.bindBuffer(gl.ARRAY_BUFFER, markBuffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, marks);
    },
    setPalette(palette) {
      const rows = Math.max(1, Math.ceil(palette.length / 1024));
      const whole = new Uint8Array(rows * 1024);
      whole.set(palette);
      gl.activeTexture(gl.TEXTURE0);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, whole);
    },
    setDensity({ side, values }) {
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, side, side, 0, gl.RGBA, gl.FLOAT, values);
      hasGround = true;
    },
    draw(view, frame) {
      const { at, size, unit } = view;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const [left, top] = view.toScreen(0, 0);
      const sx = (2 * 65535 * unit.x * at.scale) / size.w;
      const sy = (-2 * 65535 * unit.y * at.scale) / size.h;
      const shift = [(2 * left) / size.w - 1, 1 - (2 * top) / size.h];
      if (hasGround && frame.ground > 0) {
        gl.useProgram(ground.program);
        gl.bindVertexArray(none);
        gl.uniform1i(ground.of.density ?? null, 1);
        gl.uniform1i(ground.of.dark ?? null, Number(frame.dark));
        gl.uniform1f(ground.of.strength ?? null, frame.ground);
        const [x = 0, y = 0] = shift;
        gl.uniform4f(ground.of.box ?? null, x - MARGIN * sx, y - MARGIN * sy, x + (1 + MARGIN) * sx, y + (1 + MARGIN) * sy);
        gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
      }
      gl.useProgram(discs.program);
      gl.bindVertexArray(all);
      gl.uniform1i(discs.of.palette ?? null, 0);
      gl.uniform2f(discs.of.scale ?? null, sx, sy);
      gl.uniform2f(discs.of.shift ?? null, shift[0] ?? 0, shift[1] ?? 0);
      gl.uniform1f(discs.of.size ?? null, frame.size * frame.ratio);
      gl.uniform1f(discs.of.strongSize ?? null, frame.strongSize * frame.ratio);
      gl.uniform1f(discs.of.alpha ?? null, frame.alpha);
      gl.uniform1i(discs.of.dimmed ?? null, Number(frame.hasDim));
      const [first, last] = frame.days ?? [-2147483648, 2147483647];
      gl.uniform2i(discs.of.days ?? null, first, last);
      const paper = frame.dark ? 0.07 : 1;
      gl.uniform3f(discs.of.paper ?? null, paper, paper, paper);
      gl.uniform1i(discs.of.strong ?? null, 0);
      gl.drawArrays(gl.POINTS, 0, frame.count);
      if (frame.hasStrong) {
        gl.uniform1i(discs.of.strong ?? null, 1);
        gl.drawArrays(gl.POINTS, 0, n);
      }
    },
  };
}
