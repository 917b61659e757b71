// A server with made-up articles, of any number, that answers what the page asks: to look at the
// page while it is changed, and to measure its map with a million points.
//
//   node tests/page/mock.js [articles] [port]
//   node tests/page/mock.js http://127.0.0.1:7700 [port]    the answers of a server that runs there

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join, normalize } from "node:path";

const PAGE = fileURLToPath(new URL("../../src/server/page/", import.meta.url));
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8" };

const SUBJECTS = [
  ["interest rates, central bank", ["inflation", "mortgage", "bond yields"]],
  ["league title, striker", ["transfer window", "penalty", "relegation"]],
  ["spacecraft, lunar lander", ["rocket engine", "orbit", "astronauts"]],
  ["vaccine, hospital wards", ["measles", "nurses", "clinical trial"]],
  ["Viking burial, excavation", ["Roman mosaic", "coins", "shipwreck"]],
  ["coalition talks, parliament", ["ballot", "minister", "referendum"]],
  ["ransomware, municipal servers", ["chips", "language models", "privacy"]],
  ["glacier retreat, warming", ["wildfire", "snow cover", "sea level"]],
  ["school meals, teachers", ["exams", "university fees", "apprentices"]],
  ["rail strike, night trains", ["airport", "cycle lanes", "ferries"]],
  ["opera house, conductor", ["film festival", "novel", "museum"]],
  ["harvest, wheat prices", ["milk", "bees", "irrigation"]],
  ["housing, rents", ["building permits", "squatters", "cement"]],
  ["court verdict, appeal", ["fraud trial", "police", "prison"]],
  ["wind farm, grid", ["nuclear plant", "batteries", "gas storage"]],
  ["fish quotas, trawlers", ["whales", "plastic", "harbour"]],
];
const SOURCES = ["Varland Wire", "Port Alder Gazette", "Skarv Post", "Tromvik Evening", "The Ledger", "North Radio"];
const VERBS = ["divides", "surprises", "slows", "worries", "changes", "returns to", "splits", "costs"];
const PLACES = ["Port Alder", "Tromvik", "Varland", "the Skarv range", "Solheim", "the capital", "the coast", "the north"];

/** A generator of numbers from 0 to 1, the same at every start. @param {number} seed */
function random(seed) {
  return () => {
    seed = (Math.imul(seed ^ (seed >>> 15), 2246822519) + 3266489917) >>> 0;
    return ((seed ^ (seed >>> 13)) >>> 0) / 4294967296;
  };
}

/** @param {number} n */
export function madeUp(n) {
  const r = random(7);
  const normal = () => Math.sqrt(-2 * Math.log(r() + 1e-9)) * Math.cos(6.2832 * r());
  const first = 18262; // 2020-01-01
  const span = 1800;
  const clusters = SUBJECTS.map(([label, parts], i) => {
    const turn = i * 2.399963;
    const far = 0.09 + 0.34 * Math.sqrt((i + 0.5) / SUBJECTS.length);
    const [x, y] = [0.5 + far * Math.cos(turn), 0.5 + far * Math.sin(turn)];
    return {
      label: String(label), x, y, weight: 0.4 + r() * 1.6, peak: r(),
      parts: /** @type {string[]} */ (parts).map((p, k) => ({ label: p, x: x + 0.055 * Math.cos(k * 2.1 + i), y: y + 0.055 * Math.sin(k * 2.1 + i), s: 0.012 + 0.02 * r() })),
    };
  });
  const total = clusters.reduce((sum, c) => sum + c.weight, 0);
  const x = new Uint16Array(n), y = new Uint16Array(n), topic = new Int16Array(n), source = new Uint16Array(n);
  const day = new Int32Array(n), key = new Uint32Array(n), part = new Uint8Array(n);
  const sizes = clusters.map(() => 0);
  for (let i = 0; i < n; i++) {
    let pick = r() * total, t = 0;
    while (pick > clusters[t].weight) pick -= clusters[t++].weight;
    const c = clusters[t];
    part[i] = Math.floor(r() * c.parts.length);
    const p = c.parts[part[i]];
    const stray = r() < 0.08;
    const s = stray ? 0.12 : p.s * (1 + 0.6 * Math.abs(normal()));
    x[i] = Math.max(0, Math.min(65535, Math.round((p.x + normal() * s) * 65535)));
    y[i] = Math.max(0, Math.min(65535, Math.round((p.y + normal() * s * 0.8) * 65535)));
    topic[i] = stray && r() < 0.6 ? -1 : t;
    if (topic[i] >= 0) sizes[t]++;
    source[i] = Math.min(SOURCES.length - 1, Math.floor(-Math.log(r() + 1e-6) * 1.6));
    const when = r() < 0.5 ? r() : Math.min(1, Math.max(0, c.peak + normal() * 0.15));
    day[i] = r() < 0.02 ? -2147483648 : first + Math.floor(when * span);
    key[i] = i + 1;
  }
  return { n, x, y, topic, source, day, key, part, clusters, sizes, dates: [first, first + span] };
}

/** @typedef {ReturnType<typeof madeUp>} Data */

const isoOf = (/** @type {number} */ day) => (day < -1e6 ? null : new Date(day * 864e5).toISOString().slice(0, 10));

/** @param {Data} data @param {number} row */
function brief(data, row) {
  const c = data.clusters[Math.max(0, data.topic[row])];
  const p = c.parts[data.part[row]].label;
  return {
    id: `a-${row}`,
    title: `${p[0].toUpperCase()}${p.slice(1)} ${VERBS[row % VERBS.length]} ${PLACES[(row >> 3) % PLACES.length]}`,
    date: isoOf(data.day[row]),
    source: SOURCES[data.source[row]] ?? null,
    topic: data.topic[row] < 0 ? null : data.topic[row],
  };
}

/** @param {Data} data @param {number} row */
function textOf(data, row) {
  const c = data.clusters[Math.max(0, data.topic[row])];
  const b = brief(data, row);
  return `${b.title}, people in ${PLACES[row % PLACES.length]} say. Officials spoke of ${c.label} for hours on Tuesday.\n\nNobody expected ${c.parts[0].label} to matter so much, yet ${c.parts[1].label} has shaped the debate for months. "We have waited for this", said a spokesman. The figures are to be published next week.\n\nMore reports on ${c.parts[2].label} follow. Subscribe to our newsletter for all of them.`;
}

/** @param {Data} data @param {number[]} rows */
function top(data, rows) {
  /** @type {Map<number, number>} */
  const topics = new Map();
  /** @type {Map<number, number>} */
  const sources = new Map();
  const months = new Map();
  for (const row of rows) {
    if (data.topic[row] >= 0) topics.set(data.topic[row], (topics.get(data.topic[row]) ?? 0) + 1);
    sources.set(data.source[row], (sources.get(data.source[row]) ?? 0) + 1);
    const month = isoOf(data.day[row])?.slice(0, 7);
    if (month) months.set(month, (months.get(month) ?? 0) + 1);
  }
  const sorted = (/** @type {Map<number, number>} */ m) => [...m].sort((a, b) => b[1] - a[1]);
  return { topics: sorted(topics), sources: sorted(sources), months: [...months].sort() };
}

/** The page from its folder, with the answers of another server. @param {string} base */
export function forward(base) {
  return createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!url.pathname.startsWith("/api/")) return file(url.pathname, response);
    /** @type {Record<string, string>} */
    const headers = {};
    for (const name of ["content-type", "authorization"]) if (request.headers[name]) headers[name] = String(request.headers[name]);
    // A page that asks for something else meanwhile ends what it asked for.
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    try {
      const said = await fetch(new URL(request.url ?? "/", base), { method: request.method ?? "GET", headers, body: parts.length ? Buffer.concat(parts) : null, signal: gone.signal });
      response.writeHead(said.status, { "content-type": said.headers.get("content-type") ?? "" });
      response.end(Buffer.from(await said.arrayBuffer()));
    } catch {
      response.writeHead(502).end();
    }
  });
}

/** @param {string} path @param {import("node:http").ServerResponse} response */
async function file(path, response) {
  const name = path === "/" ? "index.html" : normalize(path.replace(/^\/page\//, ""));
  try {
    let content = await readFile(join(PAGE, name));
    if (name === "index.html") content = Buffer.from(String(content).replaceAll("{{files}}", "page").replaceAll("{{preload}}", ""));
    const type = TYPES[/** @type {".js"} */ (name.slice(name.lastIndexOf(".")))] ?? "text/plain";
    response.writeHead(200, { "content-type": type, "content-security-policy": POLICY, "cache-control": "no-store" });
    response.end(content);
  } catch {
    response.writeHead(404).end("nothing is here");
  }
}

/** @param {Data} data */
export function serve(data) {
  const labels = data.clusters.map((c) => c.label);
  let undos = 0;
  const columns = [["x", "u16", data.x], ["y", "u16", data.y], ["topic", "i16", data.topic], ["source", "u16", data.source], ["day", "i32", data.day], ["key", "u32", data.key]];
  let offset = 0;
  const described = columns.map(([name, type, of]) => {
    const length = /** @type {Uint16Array} */ (of).byteLength;
    const at = offset;
    offset += Math.ceil(length / 4) * 4;
    return { name, type, offset: at, length };
  });
  const bytes = Buffer.alloc(offset);
  columns.forEach(([, , of], i) => {
    const a = /** @type {Uint16Array} */ (of);
    Buffer.from(a.buffer, a.byteOffset, a.byteLength).copy(bytes, described[i].offset);
  });
  const corpus = {
    name: "demo", articles: data.n, embedded: data.n, pending: 0, passages: data.n * 2, model: { id: "all-MiniLM-L6-v2", dim: 384, dtype: "int8" },
    topics: labels.length, sources: SOURCES.length, dates: [isoOf(data.dates[0]), isoOf(data.dates[1])], generation: 1, bytes: data.n * 4000, writable: true,
    fields: ["date", "source", "topic", "origin", "year", "month", "section"].map((name) => ({ name, kind: "text" })),
  };
  const topics = () =>
    labels.map((label, id) => ({
      id, label, terms: [...label.split(", "), ...data.clusters[id].parts.map((p) => p.label)], size: data.sizes[id], share: data.sizes[id] / data.n,
      typical: [0, 1, 2, 3].map((k) => { const row = (data.topic.indexOf(id, k * 50) + data.n) % data.n; const b = brief(data, row); return { id: b.id, title: b.title }; }),
      sources: SOURCES.map((value, s) => ({ value, count: Math.round(data.sizes[id] / (s + 2)) })), dates: corpus.dates,
      rising: Number(((data.clusters[id].peak - 0.5) * 9).toFixed(2)),
    }));
  const found = (/** @type {string} */ q, /** @type {number} */ offset, /** @type {number} */ k, /** @type {any} */ more) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = [];
    let skipped = 0;
    let isMore = false;
    for (let row = 0; row < data.n && row < 60_000; row++) {
      const b = brief(data, row);
      const text = textOf(data, row);
      if (words.length && !words.some((w) => text.toLowerCase().includes(w))) continue;
      if (skipped++ < offset) continue;
      if (hits.length >= k) { isMore = true; break; }
      const sentence = text.slice(text.indexOf("Nobody"), text.indexOf(" \"We have"));
      hits.push({
        ...b, url: null, score: 0.8 - hits.length * 0.01, cosine: 0.8 - (offset + hits.length) * 0.01,
        passage: { range: { start: 0, end: text.length }, text }, sentence: words.length ? { text: sentence, start: 0, end: 1 } : undefined,
        folded: row % 4 === 1 ? { count: 2, articles: [brief(data, row + 1), brief(data, row + 2)].map((a) => a) } : undefined,
      });
    }
    const all = top(data, [...Array(Math.min(data.n, 5000)).keys()]);
    return {
      hits, exact: true, more: isMore, took_ms: 12,
      facets: { over: "corpus", articles: data.n, fields: [
        { field: "source", values: all.sources.map(([s, count]) => ({ value: SOURCES[s], count })), more: 0, missing: 3 },
        { field: "topic", values: all.topics.slice(0, 10).map(([t, count]) => ({ value: t, label: labels[t], count })), more: 6, missing: 12 },
        { field: "year", values: [2020, 2021, 2022, 2023, 2024].map((value) => ({ value, count: 900 })), more: 0, missing: 30 },
      ] },
      ...more,
    };
  };

  /** @param {string} method @param {string[]} path @param {URLSearchParams} params @param {any} body */
  const answer = (method, path, params, body) => {
    const [, ...rest] = path;
    const route = rest.join("/");
    if (path[0] !== "corpora") return null;
    if (!rest.length) return [corpus];
    if (rest[0] !== "demo") return null;
    const under = rest.slice(1).join("/");
    if (under === "") return corpus;
    if (under === "search") return found(params.get("q") ?? "", Number(params.get("offset") ?? 0), Number(params.get("k") ?? 10), {});
    if (under === "facets") return found("", 0, 0, {}).facets;
    if (under === "articles") return { articles: found("", 0, 20, {}).hits, more: true };
    const article = /^articles\/a-(\d+)(?:\/(\w+))?$/.exec(under);
    if (article) {
      const row = Number(article[1]);
      if (article[2] === "neighbours") return found(brief(data, row).title.split(" ")[0], 1, 8, {});
      if (article[2] === "copies") return { articles: [{ ...brief(data, row), kind: "self", wording: 1, cosine: 1 }, { ...brief(data, row + 3), date: isoOf(data.day[row] + 4), kind: "copy", wording: 0.97, cosine: 0.99 }, { ...brief(data, row + 5), date: isoOf(data.day[row] + 9), kind: "retelling", wording: 0.2, cosine: 0.88 }] };
      const text = textOf(data, row);
      const t = Math.max(0, data.topic[row]);
      return { ...brief(data, row), text, url: "https://example.org/" + row, origin: "wire.jsonl", metadata: { section: "news", words: 120 }, boilerplate: [[text.indexOf("Subscribe"), text.length]], passages: [{ start: 0, end: text.length }], topics: [{ id: t, label: labels[t], similarity: 0.71 }, { id: (t + 1) % labels.length, label: labels[(t + 1) % labels.length], similarity: 0.33 }], language: "en", embedded: true };
    }
    if (under === "topics") return { run: { method: "tree" }, topics: topics(), undos };
    if (under === "topics/tree") {
      const nodes = [{ id: 0, parent: null, label: "all", size: data.n, level: 0, topics: labels.map((_, i) => i) }];
      labels.forEach((label, i) => {
        nodes.push({ id: 1 + i, parent: 0, label, size: data.sizes[i], level: 1, topics: [i] });
        data.clusters[i].parts.forEach((p, k) => nodes.push({ id: 100 + 10 * i + k, parent: 1 + i, label: p.label, size: Math.round(data.sizes[i] / 3), level: 2, topics: [i] }));
      });
      return { nodes };
    }
    if (under === "topics/timeline") {
      const months = [...Array(59).keys()].map((m) => `${2020 + Math.floor(m / 12)}-${String((m % 12) + 1).padStart(2, "0")}`);
      const r = random(3);
      const list = labels.map((label, id) => ({ id, label, counts: months.map((_, m) => Math.round((data.sizes[id] / 59) * (0.6 + 0.5 * r() + 2.2 * Math.exp(-(((m / 59 - data.clusters[id].peak) / 0.13) ** 2))))), rising: (data.clusters[id].peak - 0.5) * 9 }));
      return { bins: months, totals: months.map((_, m) => list.reduce((sum, t) => sum + t.counts[m], 0)), topics: list };
    }
    if (under === "topics/edit") {
      if (body.rename) labels[labels.findIndex((_, i) => i === body.rename.topic)] = body.rename.label;
      undos++;
      return { run: {}, topics: topics(), undos };
    }
    if (under === "topics/undo") return { run: {}, topics: topics(), undos: (undos = Math.max(0, undos - 1)) };
    if (/^topics\/\d+$/.test(under)) {
      const t = topics()[Number(rest[2])];
      return { ...t, parts: data.clusters[t.id].parts.map((p, k) => ({ id: k, label: p.label, size: Math.round(t.size / 3) })) };
    }
    if (under === "map") {
      return {
        points: data.n, generation: 1, version: "1", missing: 0, columns: described, bounds: [-8, -6, 8, 6],
        topics: data.clusters.map((c, id) => ({ id, label: labels[id], size: data.sizes[id], colour: [0, 0, 0], x: Math.round(c.x * 65535), y: Math.round(c.y * 65535) })),
        tree: data.clusters.flatMap((c, i) => [{ id: i, parent: null, label: labels[i], size: data.sizes[i], x: Math.round(c.x * 65535), y: Math.round(c.y * 65535), level: 1 }, ...c.parts.map((p, k) => ({ id: 100 + 10 * i + k, parent: i, label: p.label, size: data.sizes[i] / 3, x: Math.round(p.x * 65535), y: Math.round(p.y * 65535), level: 2 }))]),
        sources: SOURCES.map((name) => ({ name, count: 1, colour: [0, 0, 0] })), dates: data.dates, fields: corpus.fields,
      };
    }
    if (under === "map/points") return bytes;
    if (under === "map/articles") return body.rows.map((/** @type {number} */ row) => brief(data, row));
    if (under === "map/rows") return { rows: body.ids.map((/** @type {string} */ id) => Number(id.slice(2))) };
    if (under === "map/field") {
      const of = Buffer.alloc(data.n);
      for (let i = 0; i < data.n; i++) of[i] = data.part[i];
      return { values: ["news", "comment", "report"], of: of.toString("base64") };
    }
    if (under === "map/about") {
      const all = top(data, body.rows);
      const best = all.topics[0]?.[0] ?? 0;
      return {
        articles: body.rows.length, terms: [...labels[best].split(", "), ...data.clusters[best].parts.map((p) => p.label)], typical: body.rows.slice(0, 5).map((/** @type {number} */ row) => brief(data, row)),
        dates: { bins: all.months.map((m) => m[0]), counts: all.months.map((m) => m[1]) }, sources: all.sources.map(([s, count]) => ({ value: SOURCES[s], count })), topics: all.topics.map(([id, count]) => ({ id, label: labels[id], count })),
      };
    }
    return route ? null : [];
  };

  return createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const send = (/** @type {number} */ status, /** @type {string} */ type, /** @type {any} */ body) => {
      response.writeHead(status, { "content-type": type, "content-security-policy": POLICY, "cache-control": "no-store" });
      response.end(body);
    };
    if (url.pathname.startsWith("/api/")) {
      let body = "";
      for await (const part of request) body += part;
      const path = url.pathname.slice(5).split("/").map(decodeURIComponent);
      const said = answer(request.method ?? "GET", path, url.searchParams, body ? JSON.parse(body) : null);
      if (said === null) send(404, "application/json", JSON.stringify({ error: { kind: "not_found", message: `nothing is at ${url.pathname}` } }));
      else if (Buffer.isBuffer(said)) send(200, "application/octet-stream", said);
      else send(200, "application/json", JSON.stringify(said));
      return;
    }
    await file(url.pathname, response);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , what = "20000", port = "8484"] = process.argv;
  const server = what.startsWith("http") ? forward(what) : serve(madeUp(Number(what)));
  server.listen(Number(port), "127.0.0.1", () => console.log(`${what} at http://127.0.0.1:${port}/`));
}
