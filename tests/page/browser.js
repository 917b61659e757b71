// A headless browser in which whatever goes wrong on a page fails the test.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    // WebGL2 is drawn by the processor where there is no GPU.
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
  });

/**
 * A page of its own, and what it must not have said at the end.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, reducedMotion: "reduce", ...options });
  /** @type {string[]} */
  const wrong = [];
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => {
    // A status that the page deals with is told by the browser all the same.
    if (message.type() === "error" && !/status of (401|404|409|422)/.test(message.text())) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error.stack ?? error)));
  page.on("dialog", (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    /** @type {any} */ (window).violations = [];
    addEventListener("securitypolicyviolation", (e) => /** @type {any} */ (window).violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  });
  return {
    page,
    async close() {
      wrong.push(...(await page.evaluate(() => /** @type {any} */ (window).violations)));
      await context.close();
      assert.deepEqual(wrong, []);
    },
  };
}

/**
 * A browser for all tests of a file: what opens a page in it, empty or at an address.
 *
 * @param {string} base where the server is
 */
export function oneBrowser(base) {
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());
  return {
    /** @param {import("playwright-core").BrowserContextOptions} [options] */
    fresh: (options) => open(browser, options),
    /** @param {string} path @param {import("playwright-core").BrowserContextOptions} [options] */
    async at(path, options) {
      const opened = await open(browser, options);
      await opened.page.goto(base + path);
      return opened;
    },
  };
}

/** Waits until the map is drawn. @param {import("playwright-core").Page} page */
export async function mapDrawn(page) {
  await page.locator(".map-over").waitFor();
  await page.waitForFunction(() => {
    const canvas = /** @type {HTMLCanvasElement | null} */ (document.querySelector(".map-points"));
    return canvas !== null && canvas.width > 10;
  });
  await page.waitForTimeout(300);
}

/** How many points of the canvas have ink. @param {import("playwright-core").Page} page */
export const inked = (page) =>
  page.evaluate(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector(".map-points"));
    // What WebGL drew can be read in the same turn alone.
    /** @type {any} */ (document.querySelector(".map-view"))?.map?.paint();
    /** @type {any} */ (document.getElementById("stage"))?.map?.paint();
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const pen = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d"));
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if ((data[i] ?? 0) > 150) count++;
    return count;
  });

/** Draws a loop around the middle of the map with Shift held. @param {import("playwright-core").Page} page @param {number} radius a share of the height */
export async function lasso(page, radius) {
  const box = await page.locator(".map-over").boundingBox();
  assert.ok(box);
  const [x, y, r] = [box.x + box.width * 0.55, box.y + box.height * 0.44, box.height * radius];
  await page.keyboard.down("Shift");
  await page.mouse.move(x + r, y);
  await page.mouse.down();
  for (let i = 1; i <= 24; i++) await page.mouse.move(x + r * Math.cos(i / 3.82), y + r * Math.sin(i / 3.82));
  await page.mouse.up();
  await page.keyboard.up("Shift");
}
