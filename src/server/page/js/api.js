// What the page asks the server. An answer that is an error becomes a `Problem`.

/** @import { Corpus, Found, Article, Copy, Topic, WholeTopic, TreeNode, Timeline, MapInfo, About, Facets, Brief, Task } from "./types.js" */

export class Problem extends Error {
  /** @param {number} status @param {string} kind @param {string} message @param {string} [parameter] */
  constructor(status, kind, message, parameter) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.parameter = parameter;
  }
}

const KEY = "nearwise-key";

/** The key that the server asks for, kept for this tab alone. */
const key = () => {
  try {
    return sessionStorage.getItem(KEY) ?? held;
  } catch {
    return held;
  }
};

/** The key where the browser keeps nothing. */
let held = "";

/** @param {string} value */
function useKey(value) {
  held = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // It is asked for again when the page is loaded anew.
  }
}

/** Who is asked for a key. @type {((isWrong: boolean) => Promise<string | null>) | null} */
let giver = null;
/** The question that is open: all requests wait for one answer. @type {Promise<boolean> | null} */
let asking = null;

/**
 * Has a key asked for whenever the server wants one, until it is one that the server knows, or none
 * is given.
 *
 * @param {(isWrong: boolean) => Promise<string | null>} give
 */
export function askForKeys(give) {
  giver = give;
}

/** Whether there is another key than the one that was refused. @param {string} refused */
async function otherKey(refused) {
  if (key() !== refused) return true;
  const give = giver;
  if (!give) return false;
  asking ??= give(refused !== "")
    .then((given) => {
      if (given) useKey(given);
      return Boolean(given);
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

/** Whether a request was ended by the page itself. @param {unknown} error */
export const isAborted = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * What is asked for, or something else where that fails. What the page itself ended stays ended.
 *
 * @template T, E
 * @param {Promise<T>} asked @param {E} otherwise
 * @returns {Promise<T | E>}
 */
export const orElse = (asked, otherwise) =>
  asked.catch((error) => {
    if (isAborted(error)) throw error;
    return otherwise;
  });

/**
 * @param {string} path below the page's own address
 * @param {{ body?: unknown, signal?: AbortSignal | undefined, method?: string }} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options = {}) {
  const { body, signal, method } = options;
  /** @type {Record<string, string>} */
  const headers = {};
  const sent = key();
  if (sent) headers.authorization = `Bearer ${sent}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  /** @type {RequestInit} */
  const init = { headers, method: method ?? (body === undefined ? "GET" : "POST") };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), init);
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new Problem(0, "network", "The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && (await otherKey(sent))) {
    signal?.throwIfAborted();
    return ask(path, options);
  }
  const told = await answer.json().catch(() => null);
  const error = told?.error ?? {};
  throw new Problem(
    answer.status,
    String(error.kind ?? error.type ?? "unknown"),
    String(error.message ?? (typeof told?.error === "string" ? told.error : `The server answers ${answer.status}.`)),
    error.parameter,
  );
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
const get = async (path, signal) => (await ask(path, { signal })).json();

/** @param {string} path @param {unknown} body @param {AbortSignal} [signal] @returns {Promise<any>} */
const post = async (path, body, signal) => (await ask(path, { body, signal })).json();

/** @param {string} name */
const C = (name) => `api/corpora/${encodeURIComponent(name)}`;

/** @param {Record<string, string | number | boolean | null | undefined>} params */
function query(params) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "" && value !== false) out.set(name, String(value));
  }
  return out.toString();
}

export const api = {
  /** @returns {Promise<Corpus[]>} */
  corpora: () => get("api/corpora"),
  /** @param {string} c @returns {Promise<Corpus>} */
  corpus: (c) => get(C(c)),
  /** @param {string} c @param {Record<string, any>} params @param {AbortSignal} [signal] @returns {Promise<Found>} */
  search: (c, params, signal) => get(`${C(c)}/search?${query(params)}`, signal),
  /** @param {string} c @param {Record<string, any>} params @param {AbortSignal} [signal] @returns {Promise<Facets>} */
  facets: (c, params, signal) => get(`${C(c)}/facets?${query(params)}`, signal),
  /** @param {string} c @param {Record<string, any>} params @param {AbortSignal} [signal] @returns {Promise<{ articles: (Brief & { snippet?: string })[], more: boolean }>} */
  articles: (c, params, signal) => get(`${C(c)}/articles?${query(params)}`, signal),
  /** @param {string} c @param {string} id @param {AbortSignal} [signal] @returns {Promise<Article>} */
  article: (c, id, signal) => get(`${C(c)}/articles/${encodeURIComponent(id)}?offsets=utf16`, signal),
  /** @param {string} c @param {string} id @param {number} k @param {AbortSignal} [signal] @returns {Promise<Found>} */
  neighbours: (c, id, k, signal) => get(`${C(c)}/articles/${encodeURIComponent(id)}/neighbours?k=${k}`, signal),
  /** @param {string} c @param {string} id @param {AbortSignal} [signal] @returns {Promise<{ articles: Copy[] }>} */
  copies: (c, id, signal) => get(`${C(c)}/articles/${encodeURIComponent(id)}/copies`, signal),
  /** @param {string} c @param {AbortSignal} [signal] @returns {Promise<{ run: unknown, topics: Topic[], undos: number }>} */
  topics: (c, signal) => get(`${C(c)}/topics`, signal),
  /** @param {string} c @param {number} id @param {AbortSignal} [signal] @returns {Promise<WholeTopic>} */
  topic: (c, id, signal) => get(`${C(c)}/topics/${id}`, signal),
  /** @param {string} c @param {AbortSignal} [signal] @returns {Promise<{ nodes: TreeNode[] }>} */
  tree: (c, signal) => get(`${C(c)}/topics/tree`, signal),
  /** @param {string} c @param {Record<string, any>} params @param {AbortSignal} [signal] @returns {Promise<Timeline>} */
  timeline: (c, params, signal) => get(`${C(c)}/topics/timeline?${query(params)}`, signal),
  /** @param {string} c @returns {Promise<{ job: string }>} */
  fit: (c) => post(`${C(c)}/topics/fit`, {}),
  /** @param {string} c @param {unknown} edit */
  edit: (c, edit) => post(`${C(c)}/topics/edit`, edit),
  /** @param {string} c */
  undo: (c) => post(`${C(c)}/topics/undo`, {}),
  /** @param {string} c @param {AbortSignal} [signal] @returns {Promise<MapInfo | { job: string }>} */
  map: (c, signal) => get(`${C(c)}/map`, signal),
  /** Lays the map out anew where articles are missing on it. @param {string} c @returns {Promise<{ job: string | null }>} */
  layOut: (c) => post(`${C(c)}/map`, {}),
  /** @param {string} c @param {AbortSignal} [signal] @returns {Promise<ArrayBuffer>} */
  points: async (c, signal) => (await ask(`${C(c)}/map/points`, { signal })).arrayBuffer(),
  /** @param {string} c @param {number[]} rows @param {AbortSignal} [signal] @returns {Promise<(Brief & { topic: number | null })[]>} */
  rows: (c, rows, signal) => post(`${C(c)}/map/articles`, { rows }, signal),
  /** @param {string} c @param {string[]} ids @param {AbortSignal} [signal] @returns {Promise<{ rows: (number | null)[] }>} */
  rowsOf: (c, ids, signal) => post(`${C(c)}/map/rows`, { ids }, signal),
  /** @param {string} c @param {string} name @param {AbortSignal} [signal] @returns {Promise<{ values: FieldValue[], of: string }>} */
  field: (c, name, signal) => get(`${C(c)}/map/field?${query({ name })}`, signal),
  /** @param {string} c @param {number[]} rows @param {AbortSignal} [signal] @returns {Promise<About>} */
  about: (c, rows, signal) => post(`${C(c)}/map/about`, { rows }, signal),
  /** @param {string} id @returns {Promise<Task>} */
  job: (id) => get(`api/jobs/${encodeURIComponent(id)}`),
};

/** @typedef {string | number | boolean | { value: string | number | boolean, label?: string, count?: number }} FieldValue */

/**
 * Waits for a job, telling how far it is.
 *
 * @param {string} id
 * @param {(task: Task) => void} [told]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Task>}
 */
export async function finished(id, told, signal) {
  for (;;) {
    const task = await api.job(id);
    told?.(task);
    if (task.state !== "running") {
      if (task.state === "done") return task;
      const error = /** @type {any} */ (task.error);
      throw new Problem(500, task.state, String(error?.message ?? error ?? `The job was ${task.state}.`));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    signal?.throwIfAborted();
  }
}
