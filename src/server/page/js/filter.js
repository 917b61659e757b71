// What narrows a search: values clicked at the side, dates, and a condition that one types.

/** @typedef {string | number | boolean} Value */

/** Texts that would be read as something else. */
const LIKE_JSON = /^(?:true|false|-?\d+(?:\.\d+)?|".*")$/s;

/** A clicked value as it stands in the address: `source:The Ledger`, `topic:4`. @param {string} field @param {Value} value */
export function written(field, value) {
  const text = typeof value === "string" && !LIKE_JSON.test(value) ? value : JSON.stringify(value);
  return `${encodeURIComponent(field)}:${text}`;
}

/** @param {string} text @returns {{ field: string, value: Value } | null} */
export function read(text) {
  const colon = text.indexOf(":");
  if (colon < 1) return null;
  const rest = text.slice(colon + 1);
  try {
    const field = decodeURIComponent(text.slice(0, colon));
    return { field, value: LIKE_JSON.test(rest) ? JSON.parse(rest) : rest };
  } catch {
    return null;
  }
}

const BUILT_IN = ["id", "title", "text", "date", "url", "source", "origin", "topic"];
const KEYWORDS = ["and", "or", "not", "in", "is", "null", "between", "contains", "like", "true", "false"];

/** @param {string} name */
const fieldText = (name) =>
  BUILT_IN.includes(name) || (/^[A-Za-z_][\w.-]*$/.test(name) && !KEYWORDS.includes(name.toLowerCase())) ? name : `\`${name.replaceAll("`", "``")}\``;

/** @param {Value} value */
export const valueText = (value) => (typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value));

/**
 * The condition of a place, as the server's filters are written; empty where nothing narrows.
 *
 * @param {URLSearchParams} params
 * @param {string} [without] a field whose chosen values do not narrow; `date`: the dates that are chosen
 */
export function condition(params, without) {
  /** @type {Map<string, Value[]>} */
  const fields = new Map();
  for (const text of params.getAll("f")) {
    const one = read(text);
    if (one && one.field !== without) fields.set(one.field, [...(fields.get(one.field) ?? []), one.value]);
  }
  const parts = [...fields].map(([field, values]) =>
    values.length === 1 ? `${fieldText(field)} = ${valueText(values[0] ?? "")}` : `${fieldText(field)} IN (${values.map(valueText).join(", ")})`,
  );
  const day = (/** @type {string | null} */ text) => (text && /^\d{4}(-\d\d){0,2}$/.test(text) ? text : null);
  const from = without === "date" ? null : day(params.get("from"));
  const to = without === "date" ? null : day(params.get("to"));
  if (from) parts.push(`date >= "${from}"`);
  if (to) parts.push(`date <= "${to}"`);
  const typed = params.get("filter")?.trim();
  if (typed) parts.push(parts.length ? `(${typed})` : typed);
  return parts.join(" AND ");
}
