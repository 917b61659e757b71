// What the page does at its edges, through the real server: small and empty corpora, articles
// without titles, deep trees, slow answers, the way back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { oneBrowser, mapDrawn } from "./browser.js";

const BASE = process.env.NEARWISE_BASE ?? "";
const WRITABLE = process.env.NEARWISE_WRITABLE_SERVER === "1";
const { at, fresh } = oneBrowser(BASE);

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
/** @param {import("playwright-core").Page} page */
const scrolled = (page) => page.evaluate(() => document.getElementById("main")?.scrollTop ?? -1);

for (const [name, options] of /** @type {[string, import("playwright-core").BrowserContextOptions][]} */ ([["a desk", {}], ["a phone", PHONE]])) {
  test(`the next page begins at its first hit, and the way back leads to where one was, on ${name}`, async () => {
    const { page, close } = await at("#/town/search?q=the%20bank&fold=none", options);
    await page.locator(".hit mark").first().waitFor();
    const first = await page.locator(".hit-link").first().textContent();
    await page.getByRole("link", { name: "Next" }).scrollIntoViewIfNeeded();
    await page.waitForTimeout(300);
    const left = await scrolled(page);
    assert.ok(left > 300, String(left));
    await page.getByRole("link", { name: "Next" }).click();
    await page.getByText("page 2").waitFor();
    await page.waitForFunction(() => document.getElementById("main")?.scrollTop === 0);
    await page.locator(".hit mark").first().waitFor();
    assert.equal(await scrolled(page), 0);
    await page.goBack();
    await page.waitForFunction((text) => document.querySelector(".hit-link")?.textContent === text, first);
    await page.waitForFunction((top) => Math.abs((document.getElementById("main")?.scrollTop ?? 0) - top) < 40, left);
    // An article that is opened beside moves nothing, and neither does another view that one comes back from.
    await page.locator(".hit-link").nth(12).click();
    await page.locator("#article-title").waitFor();
    await page.goBack();
    await page.locator("#article").waitFor({ state: "hidden" });
    const before = await scrolled(page);
    assert.ok(before > 100, String(before));
    await page.goto(`${BASE}#/town/topics`);
    await page.locator(".card").first().waitFor();
    assert.equal(await scrolled(page), 0);
    await page.goBack();
    await page.waitForFunction((top) => Math.abs((document.getElementById("main")?.scrollTop ?? 0) - top) < 40, before);
    await close();
  });
}

test("a topic that is opened from far down begins at its top", async () => {
  const { page, close } = await at("#/town/topics", PHONE);
  await page.locator(".card h3 a").last().scrollIntoViewIfNeeded();
  assert.ok((await scrolled(page)) > 100);
  await page.locator(".card h3 a").last().tap();
  await page.locator(".columns").waitFor();
  assert.equal(await scrolled(page), 0);
  await page.goBack();
  await page.locator(".card").first().waitFor();
  await page.waitForFunction(() => (document.getElementById("main")?.scrollTop ?? 0) > 100);
  await close();
});

test("answers come while one types, however slow they are, and no search is thrown away", async () => {
  const { page, close } = await fresh();
  await page.route(/\/search\?.*q=/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 260));
    await route.continue().catch(() => {});
  });
  await page.goto(`${BASE}#/town/search`);
  await page.locator(".hit").first().waitFor();
  await page.locator('.facet-value[data-facet^="source:"]').first().waitFor();
  await page.waitForLoadState("networkidle");
  let [ended, counted, running, most] = [0, 0, 0, 0];
  const isSearch = (/** @type {import("playwright-core").Request} */ r) => /\/search\?.*q=/.test(r.url()) && !/sentences/.test(r.url());
  page.on("request", (r) => {
    if (/\/facets\?/.test(r.url())) counted++;
    if (isSearch(r)) most = Math.max(most, ++running);
  });
  page.on("requestfinished", (r) => void (isSearch(r) && running--));
  page.on("requestfailed", (r) => {
    if (isSearch(r)) ended++;
  });
  await page.evaluate(() => {
    const seen = /** @type {any} */ (window);
    seen.answers = 0;
    new MutationObserver(() => seen.answers++).observe(/** @type {Element} */ (document.querySelector(".hits")), { childList: true });
  });
  await page.locator("#q").pressSequentially("the vaccine and the doctors", { delay: 90 });
  const during = await page.evaluate(() => /** @type {any} */ (window).answers);
  assert.ok(during >= 3, `${during} answers while 27 keys were pressed`);
  await page.locator(".hit mark").first().waitFor();
  assert.deepEqual([ended, most], [0, 1]);
  assert.equal(counted, 0, "counts by meaning do not depend on the query");
  // What stands there is of all that was typed.
  const shown = await page.locator(".hit").evaluateAll((all) => all.map((e) => e.getAttribute("data-id")));
  const whole = await page.evaluate(async () => (await (await fetch("api/corpora/town/search?q=the+vaccine+and+the+doctors&by=meaning&k=20&fold=words")).json()).hits.map((/** @type {any} */ h) => h.id));
  assert.deepEqual(shown, whole);
  await close();
});

test("by words, counts follow the words", async () => {
  const { page, close } = await at("#/town/search?by=words&q=vaccine");
  const total = async () => Number(/of ([\d,]+)/.exec((await page.locator(".found").textContent()) ?? "")?.[1]);
  await page.waitForFunction(() => /of \d/.test(document.querySelector(".found")?.textContent ?? ""));
  const before = await total();
  await page.locator("#q").fill("election");
  await page.waitForFunction((old) => /of \d/.test(document.querySelector(".found")?.textContent ?? "") && !document.querySelector(".found")?.textContent?.includes(`of ${old} `), before);
  const sum = await page.locator('.facet-value[data-facet^="source:"] small').evaluateAll((all) => all.reduce((n, e) => n + Number(e.textContent), 0));
  assert.equal(sum, await total());
  await close();
});

/** No article has a copy: to the small model of these tests all are alike. @param {import("playwright-core").Page} page */
const withoutCopies = (page) => page.route(/\/copies$/, (route) => route.fulfill({ json: { articles: [] } }));

test("what is typed is kept by a click right behind it, and by another corpus", async () => {
  const { page, close } = await fresh();
  await withoutCopies(page);
  await page.goto(`${BASE}#/town/search?q=bank`);
  await page.locator(".hit").first().waitFor();
  await page.evaluate(() => {
    const q = /** @type {HTMLInputElement} */ (document.getElementById("q"));
    q.value = "moon and ship";
    q.dispatchEvent(new Event("input"));
    /** @type {HTMLElement} */ (document.querySelector(".hit-link")).click();
  });
  await page.locator("#article-title").waitFor();
  assert.match(page.url(), /q=moon\+and\+ship/);
  assert.equal(await page.locator("#q").inputValue(), "moon and ship");
  // So do links that were made before: those of the article's neighbours.
  await page.locator(".article .near").first().waitFor();
  await page.evaluate(() => {
    const q = /** @type {HTMLInputElement} */ (document.getElementById("q"));
    q.value = "vaccine";
    q.dispatchEvent(new Event("input"));
    /** @type {HTMLElement} */ (document.querySelector(".article .brief:has(.near)")).click();
  });
  await page.waitForTimeout(500);
  assert.match(page.url(), /q=vaccine/);
  await page.locator("#corpus").selectOption("plain");
  await page.waitForFunction(() => location.hash.startsWith("#/plain/search") && location.hash.includes("q=vaccine"));
  assert.equal(await page.locator("#q").inputValue(), "vaccine");
  assert.doesNotMatch(page.url(), /[?&]a=/);
  await close();
});

/** @param {number} n */
const months = (n) => Array.from({ length: n }, (_, i) => `${2020 + Math.floor(i / 12)}-${String((i % 12) + 1).padStart(2, "0")}`);

test("a course has gaps where there are no articles, and is one of counts where there are few", async () => {
  const { page, close } = await fresh();
  /** @type {string[]} */
  const asked = [];
  /** @type {"gaps" | "few"} */
  let kind = "gaps";
  const topics = async () => (await (await fetch(`${BASE}api/corpora/town/topics`)).json()).topics;
  const listed = await topics();
  await page.route(/\/topics\/timeline/, (route) => {
    const by = new URL(route.request().url()).searchParams.get("by") ?? (kind === "gaps" ? "month" : "week");
    asked.push(by);
    if (kind === "gaps") {
      const totals = [100, 90, 0, 0, 80, 3, 100, 120];
      return route.fulfill({ json: { by, bins: months(8), totals, undated: 0, topics: listed.map((/** @type {any} */ t) => ({ id: t.id, label: t.label, counts: totals.map((n) => (n === 3 ? 3 : Math.floor(n / 10))), rising: null })) } });
    }
    const bins = by === "week" ? Array.from({ length: 44 }, (_, i) => `2025-W${String(i + 1).padStart(2, "0")}`) : months(11);
    const totals = bins.map((_, i) => (by === "week" ? i % 3 : 8));
    return route.fulfill({ json: { by, bins, totals, undated: 0, topics: listed.map((/** @type {any} */ t) => ({ id: t.id, label: t.label, counts: totals.map((n) => Math.min(n, 1)), rising: null })) } });
  });
  await page.goto(`${BASE}#/town/topics`);
  await page.locator(".card .spark").first().waitFor();
  // Four stretches would be five, were the span of three articles a share like the others; of these three are left.
  assert.equal(await page.locator(".card").first().locator(".spark-line").count(), 3);
  assert.deepEqual(asked, ["month"]);
  assert.match((await page.locator(".topics-body .note").textContent()) ?? "", /^Share of each month’s articles.*up to 10 %$/);
  kind = "few";
  asked.length = 0;
  await page.reload();
  await page.locator(".card .spark-bar").first().waitFor();
  assert.deepEqual(asked, ["week", "month"]);
  assert.equal(await page.locator(".card .spark-line").count(), 0);
  assert.match((await page.locator(".topics-body .note").textContent()) ?? "", /^Articles of each month.*up to 1$/);
  await page.goto(`${BASE}#/town/time`);
  await page.locator(".time-row .spark-bar").first().waitFor();
  assert.equal(await page.locator(".time-row .spark-line").count(), 0);
  await close();
});

test("a deep tree of topics keeps room for its names, on a desk and on a phone", async () => {
  const DEPTH = 12;
  const nodes = Array.from({ length: DEPTH }, (_, i) => ({ id: i, parent: i ? i - 1 : null, label: i === 1 ? "node 0, monetary policy" : `node ${i}, Bundesbank, monetary policy, central bank of ${i}`, size: 100 - i, level: i, topics: [], topic: null }));
  nodes.push({ id: 50, parent: DEPTH - 1, label: "Wirtschaftswissenschaftlerinnenversammlung und ihre Folgen", size: 7, level: DEPTH, topics: [], topic: null });
  nodes.push({ id: 51, parent: 2, label: nodes[2]?.label ?? "", size: 3, level: 3, topics: [], topic: null });
  nodes.push({ id: 52, parent: 51, label: "below one that is called as the one above it", size: 3, level: 4, topics: [], topic: null });
  for (const options of [{ viewport: { width: 1360, height: 860 } }, PHONE]) {
    const { page, close } = await fresh(options);
    await page.route(/\/topics\/tree/, (route) => route.fulfill({ json: { nodes } }));
    await page.goto(`${BASE}#/town/topics`);
    await page.locator(".card").first().waitFor();
    if (options === PHONE) await page.getByRole("button", { name: "Tree of topics" }).tap();
    await page.locator(".tree-name").last().waitFor();
    const names = await page.locator(".tree-name").evaluateAll((all) => all.map((e) => ({ text: e.textContent, title: e.getAttribute("title"), wide: e.getBoundingClientRect().width, high: e.getBoundingClientRect().height, over: e.getBoundingClientRect().right > (e.closest(".side")?.getBoundingClientRect().right ?? 0) })));
    for (const name of names.slice(1)) {
      assert.equal(name.title, name.text);
      assert.ok(name.high < 30 && !name.over, JSON.stringify(name));
    }
    const deepest = names.filter((n) => n.text?.startsWith("Wirtschaft"));
    assert.equal(deepest.length, 1);
    assert.ok((deepest[0]?.wide ?? 0) > 150, JSON.stringify(deepest));
    assert.equal(names.filter((n) => n.text === nodes[2]?.label).length, 1, "what says nothing new is left out");
    assert.equal(names.filter((n) => n.text?.startsWith("below one")).length, 1);
    await close();
  }
});

test("an article without a title is headed by the beginning of its text, everywhere", async () => {
  const { page, close } = await fresh();
  await withoutCopies(page);
  await page.goto(`${BASE}#/untitled/search?q=vaccine%20doctors%20patients&fold=none`);
  await page.locator(".hit mark").first().waitFor();
  // Also where the passage that answers the query stands far behind it.
  const starts = await page.evaluate(async () => (await (await fetch("api/corpora/untitled/search?q=vaccine+doctors+patients&k=20")).json()).hits.map((/** @type {any} */ h) => h.passage.range.start));
  assert.ok(starts.some((/** @type {number} */ s) => s > 0) && starts.includes(0), starts.join());
  await page.waitForFunction(() => [...document.querySelectorAll(".hit-link")].every((e) => /^Beginning number \d+ of the \w+\. The city/.test(e.textContent ?? "")));
  const head = (await page.locator(".hit-link").first().textContent()) ?? "";
  assert.ok(head.length < 110, head);
  await page.locator(".hit-link").first().click();
  await page.locator("#article-title").waitFor();
  assert.equal(await page.locator("#article-title").textContent(), head);
  await page.locator(".article .near").first().waitFor();
  for (const name of await page.locator(".article .brief-title").allTextContents()) assert.match(name, /^Beginning number/);
  await page.goto(`${BASE}#/untitled/search`);
  await page.locator(".hit").first().waitFor();
  for (const name of await page.locator(".hit-link").allTextContents()) assert.match(name, /^Beginning number/);
  await close();
});

test("what is listed as a copy is not listed among the nearest once more", async () => {
  const { page, close } = await fresh();
  // To the small model of these tests all is alike.
  await page.route(/\/copies$/, (route) =>
    route.fulfill({ json: { articles: [["town-3", "self"], ["town-3-copy", "copy"], ["town-135", "retelling"]].map(([id, kind]) => ({ id, kind, title: id, date: null, source: null, wording: 1, cosine: 1 })) } }));
  await page.goto(`${BASE}#/town/search?a=town-3`);
  await page.locator(".copies li").nth(1).waitFor();
  await page.locator(".article .near").first().waitFor();
  const ids = (/** @type {string} */ of) => page.locator(of).evaluateAll((all) => all.map((e) => e.getAttribute("data-id")));
  const copies = await ids(".copies .brief[data-id]");
  const near = await ids(".article-part:not(:has(.copies)) .brief");
  assert.deepEqual(copies, ["town-3-copy", "town-135"]);
  assert.equal(near.length, 8);
  assert.deepEqual(near.filter((id) => copies.includes(id)), []);
  await close();
});

test("the map says what it is coloured by, also where there is nothing", async () => {
  for (const corpus of ["untitled", "plain", "town"]) {
    const { page, close } = await at(`#/${corpus}/map`);
    await mapDrawn(page);
    const taken = await page.evaluate(() => {
      const select = /** @type {HTMLSelectElement} */ (document.querySelector(".map-panel select"));
      return [select.selectedOptions[0]?.textContent, select.value, /** @type {any} */ (document.querySelector(".map-view")).map.state().colour];
    });
    assert.ok(taken[0], corpus);
    assert.equal(taken[1], taken[2]);
    assert.ok((await page.locator(".legend-row, .legend-scale").count()) > 0, corpus);
    await close();
  }
});

test("points are round without a GPU, and the ground ends by itself", async () => {
  const { page, close } = await at("#/town/map");
  await mapDrawn(page);
  const found = await page.evaluate(async () => {
    const main = /** @type {HTMLScriptElement} */ (document.querySelector("script[type=module]")).src;
    const { flatRenderer } = await import(new URL("map/flat.js", main).href);
    const { densityOf } = await import(new URL("map/density.js", main).href);
    /** @param {number[]} x @param {number[]} y */
    const points = (x, y) => ({ n: x.length, x: Uint16Array.from(x), y: Uint16Array.from(y), topic: new Int16Array(x.length), source: new Uint16Array(x.length), day: new Int32Array(x.length) });
    const areas = [];
    for (const size of [2.5, 5, 9, 14]) {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 40;
      const renderer = flatRenderer(canvas, points([20], [20]));
      renderer.setKinds(Uint16Array.of(1));
      renderer.setPalette(Uint8Array.of(0, 0, 0, 255, 200, 30, 30, 255));
      renderer.draw({ toScreen: () => [0, 0], unit: { x: 1, y: 1 }, at: { scale: 1 } }, { count: 1, size, strongSize: size, alpha: 1, days: null, hasStrong: false, hasDim: false, ground: 0, dark: true, ratio: 1 });
      const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, 40, 40);
      let ink = 0;
      let farthest = 0;
      for (let i = 3; i < data.length; i += 4) {
        ink += (data[i] ?? 0) / 255;
        const p = (i - 3) / 4;
        if (data[i]) farthest = Math.max(farthest, Math.hypot((p % 40) + 0.5 - 20, Math.floor(p / 40) + 0.5 - 20));
      }
      areas.push({ size, ink, farthest });
    }
    const edges = [];
    for (const n of [3, 80, 2000]) {
      const corner = points(Array.from({ length: n }, (_, i) => (i % 2 ? 0 : 65535)), Array.from({ length: n }, (_, i) => (i % 4 < 2 ? 0 : 65535)));
      for (const unit of [{ x: 1, y: 1 }, { x: 1, y: 0.4 }, { x: 0.3, y: 1 }]) {
        const { side, values } = densityOf(corner, new Uint16Array(n).fill(1), Uint8Array.of(0, 0, 0, 255, 9, 9, 9, 255), () => true, unit);
        let most = 0;
        for (let i = 0; i < side; i++) for (const cell of [i, i * side, (side - 1) * side + i, i * side + side - 1]) most = Math.max(most, values[4 * cell + 3] ?? 1);
        edges.push(most);
      }
    }
    return { areas, edges };
  });
  for (const { size, ink, farthest } of found.areas) {
    const disc = Math.PI * (size / 2) ** 2;
    assert.ok(Math.abs(ink - disc) < Math.max(1.2, disc * 0.12), `${size}: ${ink} of ${disc}`);
    assert.ok(farthest <= size / 2 + 1, `${size}: ink ${farthest} from the middle`);
  }
  assert.ok(Math.max(...found.edges) < 0.04, found.edges.join());
  await close();
});

test("near enough, articles in view are named, none over another, and a title opens its article", async () => {
  for (const viewport of [{ width: 1360, height: 860 }, { width: 360, height: 740 }]) {
    const { page, close } = await at("#/town/map", { viewport });
    await mapDrawn(page);
    await page.locator(".map-over").focus();
    for (let i = 0; i < 2; i++) await page.keyboard.press("+");
    const labels = () =>
      page.evaluate(() => {
        const { map } = /** @type {any} */ (document.querySelector(".map-view"));
        for (let i = 0; i < 12; i++) map.paint();
        return /** @type {{ label: string, box: number[], isTitle: boolean }[]} */ (map.labels());
      });
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector(".map-view")).map.labels().some((/** @type {any} */ l) => l.isTitle));
    const all = await labels();
    all.forEach((a, i) => {
      for (const b of all.slice(i + 1)) assert.ok(a.box[0] >= b.box[2] || a.box[2] <= b.box[0] || a.box[1] >= b.box[3] || a.box[3] <= b.box[1], `${a.label} and ${b.label}`);
    });
    assert.equal(new Set(all.map((l) => l.label)).size, all.length);
    const over = await page.locator(".map-over").boundingBox();
    assert.ok(over);
    let opened = "";
    for (const { label } of all.filter((l) => l.isTitle)) {
      const now = (await labels()).find((l) => l.isTitle && l.label === label);
      if (!now) continue;
      const { box } = now;
      const [x, y] = [over.x + (box[0] + box[2]) / 2, over.y + (box[1] + box[3]) / 2];
      // A point below a title is what is meant there.
      await page.mouse.click(x, y);
      await page.locator("#article-title").waitFor({ timeout: 3000 }).catch(() => {});
      if (await page.locator("#article").isHidden()) continue;
      opened = (await page.locator("#article-title").textContent()) ?? "";
      if (opened === label) break;
      await page.keyboard.press("Escape");
      await page.locator("#article").waitFor({ state: "hidden" });
      await page.waitForTimeout(300);
    }
    assert.ok(all.some((l) => l.isTitle && l.label === opened), opened);
    await close();
  }
});

test("each view has one first heading, its drawings have names or are hidden, and nothing asked for is missing", async () => {
  for (const corpus of ["plain", "town", "empty"]) {
    for (const view of ["search", "search?q=bank", "map", "topics", "time"]) {
      const { page, close } = await fresh();
      /** @type {string[]} */
      const missing = [];
      page.on("response", (r) => void (r.status() >= 400 && missing.push(`${r.status()} ${r.url()}`)));
      await page.goto(`${BASE}#/${corpus}/${view}`);
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(300);
      const place = `${corpus}/${view}`;
      assert.deepEqual(missing, [], place);
      assert.equal(await page.locator("h1").count(), 1, place);
      assert.match((await page.locator("h1").textContent()) ?? "", new RegExp(corpus));
      const unnamed = await page.locator("svg").evaluateAll((all) => all.filter((e) => !e.closest("[aria-hidden=true]") && !e.getAttribute("aria-label")).length);
      assert.equal(unnamed, 0, place);
      await close();
    }
  }
});

test("an empty corpus says so, and offers nothing that cannot be done", async () => {
  for (const view of ["topics", "time"]) {
    const { page, close } = await at(`#/empty/${view}`);
    await page.getByText(/no articles yet/).first().waitFor();
    assert.equal(await page.getByRole("button", { name: "Find topics" }).count(), 0);
    await close();
  }
  const { page, close } = await at("#/empty/search");
  await page.getByText("This corpus has no articles yet.").waitFor();
  await page.goto(`${BASE}#/plain/topics`);
  await page.getByText("This corpus has no topics yet.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Find topics" }).count(), WRITABLE ? 1 : 0);
  await close();
});

test("the list of keys has a cap for each key, and none that is empty", async () => {
  const { page, close } = await at("#/town/search");
  await page.locator(".hit").first().waitFor();
  await page.keyboard.press("?");
  const caps = await page.locator("dialog kbd").allTextContents();
  assert.ok(caps.every((c) => c.trim()), caps.join("|"));
  for (const key of ["/", "1", "4", "j", "k", "Enter", "Esc", "←", "−", "0", "L", "Shift", "t", "?"]) assert.ok(caps.includes(key), key);
  await close();
});
