// The shapes of the answers that the page reads; src/server/corpora defines them.

/**
 * @typedef {{ id: string, label: string }} Named
 * @typedef {{
 *   name: string, articles: number, embedded: number, pending: number, passages: number,
 *   model: { id: string, dim: number, dtype: string } | null, topics: number | null, sources: number,
 *   dates: [string, string] | null, generation: number, bytes: number, writable: boolean,
 *   fields?: { name: string, kind: string }[]
 * }} Corpus
 * @typedef {{ id: string, title: string, date: string | null, source: string | null }} Brief
 * @typedef {Brief & {
 *   url?: string | null, score: number, cosine?: number, passage: { range: { start: number, end: number }, text: string },
 *   sentence?: { text: string, start: number, end: number },
 *   folded?: { count: number, articles: Brief[] }
 * }} Hit
 * @typedef {{ value: string | number | boolean, label?: string, count: number }} FacetValue
 * @typedef {{ field: string, values: FacetValue[], more: number, missing: number }} Facet
 * @typedef {{ over: string, articles: number, fields: Facet[] }} Facets
 * @typedef {{ hits: Hit[], exact: boolean, more: boolean, facets?: Facets, took_ms?: number }} Found
 * @typedef {{
 *   id: string, title: string, text: string, date: string | null, source: string | null, url: string | null,
 *   origin: string | null, metadata: Record<string, unknown>, boilerplate: [number, number][],
 *   passages: { start: number, end: number }[], topics: { id: number, label: string, similarity: number }[],
 *   language?: string | null, embedded: boolean
 * }} Article
 * @typedef {Brief & { kind: "self" | "copy" | "retelling" | "contained", wording: number | null, cosine: number | null }} Copy
 * @typedef {{
 *   id: number, label: string, terms: string[], size: number, share: number, typical: { id: string, title: string }[],
 *   sources: { value: string, count: number }[], dates: [string, string] | null, rising: number | null
 * }} Topic
 * @typedef {Topic & { parts?: { id: number, label: string, size: number }[] }} WholeTopic
 * @typedef {{ id: number, parent: number | null, label: string, size: number, level: number, topics: number[], topic?: number | null }} TreeNode
 * @typedef {{ by: string, bins: string[], totals: number[], topics: { id: number, label: string, counts: number[], rising: number | null }[] }} Timeline
 * @typedef {{
 *   id: string, what: string, state: "running" | "done" | "failed" | "cancelled",
 *   progress?: { stage?: string, done?: number, total?: number | null } | null, notes?: string[], error?: unknown
 * }} Task
 * @typedef {[number, number, number]} Rgb
 * @typedef {{ id: number, label: string, size: number, colour?: Rgb, x: number | null, y: number | null }} MapTopic
 * @typedef {{ id: number, parent: number | null, label: string, size: number, x: number | null, y: number | null, level: number, topic?: number | null }} MapNode
 * @typedef {{
 *   points: number, generation: number, version: string, missing: number,
 *   columns: { name: string, type: "u16" | "i16" | "i32" | "u32", offset: number, length: number }[],
 *   bounds: [number, number, number, number], topics: MapTopic[], tree: MapNode[],
 *   sources: { name: string, count: number, colour?: Rgb }[], dates: [number, number] | null,
 *   fields: ({ name: string, kind?: string } | string)[]
 * }} MapInfo
 * @typedef {{
 *   articles: number, terms: string[], typical: { id: string, title: string }[],
 *   dates?: { bins: string[], counts: number[] } | null,
 *   sources: { value: string, count: number }[], topics: { id: number, label: string, count: number }[]
 * }} About
 */

export {};
