// The colours of classes stay apart: for most people, and for those who do not see red, green or
// blue (simulated as Machado, Oliveira and Fernandes, 2009, do), measured in OKLab.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ON_LIGHT, ON_DARK, assignColours, dateColour, noClass } from "../../src/server/page/js/map/colours.js";

const SIGHT = {
  usual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
// A just noticeable difference in OKLab is about 0.02.
const LEAST = { usual: 0.12, protanopia: 0.075, deuteranopia: 0.075, tritanopia: 0.045 };

const linear = (/** @type {number} */ c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);

/** @param {number[]} rgb @param {number[][]} sight */
function oklab(rgb, sight) {
  const v = rgb.map(linear);
  const [r, g, b] = sight.map((row) => Math.max(0, row[0] * v[0] + row[1] * v[1] + row[2] * v[2]));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** @param {number[]} a @param {number[]} b */
const apart = (a, b) => Math.hypot(...a.map((x, i) => x - b[i]));

for (const [page, colours] of [["light", ON_LIGHT], ["dark", ON_DARK]]) {
  for (const [name, sight] of Object.entries(SIGHT)) {
    test(`classes on a ${page} page, ${name}`, () => {
      for (let i = 0; i < colours.length; i++) {
        for (let k = 0; k < i; k++) {
          const distance = apart(oklab(colours[i], sight), oklab(colours[k], sight));
          assert.ok(distance >= LEAST[name], `${colours[i]} and ${colours[k]}: ${distance.toFixed(3)}`);
        }
      }
    });
  }
}

test("dates grow evenly in lightness, whoever looks", () => {
  for (const dark of [false, true]) {
    for (const sight of Object.values(SIGHT)) {
      const steps = [...Array(13).keys()].map((i) => oklab(dateColour(i / 12, dark), sight)[0]);
      for (let i = 1; i < steps.length; i++) assert.ok(dark ? steps[i] > steps[i - 1] : steps[i] < steps[i - 1], `${steps}`);
    }
  }
});

test("near classes never share a colour while others are free", () => {
  const places = [...Array(40).keys()].map((i) => [1000 * (i % 8), 1000 * Math.floor(i / 8)]);
  const of = assignColours(places, 12);
  assert.deepEqual(of.slice(0, 12), [...Array(12).keys()]);
  // From the thirteenth on, the colour is one whose bearers are far.
  for (let i = 12; i < 40; i++) {
    for (let k = 0; k < i; k++) {
      if (of[k] === of[i]) assert.ok(Math.hypot(places[k][0] - places[i][0], places[k][1] - places[i][1]) >= 1400, `${i} and ${k}`);
    }
  }
  assert.deepEqual(assignColours([null, null], 12), [0, 1]);
  assert.notDeepEqual(noClass(true), noClass(false));
});
