// How numbers, dates and the progress of jobs are written.

/** @import { Task } from "./types.js" */

const NUMBERS = new Intl.NumberFormat("en");

/** @param {number} n */
export const number = (n) => NUMBERS.format(n);

/** @param {number} n @param {string} one @param {string} [many] */
export const counted = (n, one, many) => `${number(n)} ${n === 1 ? one : (many ?? `${one}s`)}`;

/** A share as per cent, with a digit more where it is small. @param {number} share */
export function percent(share) {
  const p = share * 100;
  return `${p >= 9.95 || p === 0 ? Math.round(p) : p.toFixed(1)} %`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * A stored date for people: `2024-03-05T10:00:00Z` as `5 Mar 2024`. What is no date stays as it is.
 *
 * @param {string | null | undefined} iso
 */
export function date(iso) {
  if (!iso) return "";
  const part = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:$|T| )/.exec(iso);
  if (!part) return iso;
  const month = part[2] ? MONTHS[Number(part[2]) - 1] : undefined;
  return [part[3] && String(Number(part[3])), month, part[1]].filter(Boolean).join(" ");
}

/** Characters of a text that stand for a title. */
export const HEAD = 96;

/** The beginning of a text, for an article that has no title: its first line, as far as whole words of it go. @param {string} text */
export function beginning(text) {
  const line = text.trimStart().split("\n", 1)[0]?.replace(/\s+/g, " ").trim() ?? "";
  const signs = [...line];
  if (signs.length <= HEAD) return line;
  const cut = signs.slice(0, HEAD).join("");
  const space = cut.lastIndexOf(" ");
  return `${(space > cut.length / 3 ? cut.slice(0, space) : cut).replace(/[\s,;:–—-]+$/, "")} …`;
}

/** Days since 1970-01-01 as `2024-03-05`. @param {number} day */
export function isoDay(day) {
  const at = new Date(day * 86_400_000);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().slice(0, 10);
}

/** The first day of what `2024`, `2024-03`, `2024-W10`, `2024-Q1` or `2024-03-05` names. @param {string} bin @returns {string} */
export function firstDay(bin) {
  const week = /^(\d{4})-W(\d\d)$/.exec(bin);
  if (week) {
    const fourth = Date.UTC(Number(week[1]), 0, 4);
    const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * 86_400_000;
    return isoDay(Math.round(monday / 86_400_000) + 7 * (Number(week[2]) - 1));
  }
  const quarter = /^(\d{4})-Q(\d)$/.exec(bin);
  if (quarter) return `${quarter[1]}-${String(3 * Number(quarter[2]) - 2).padStart(2, "0")}-01`;
  return bin.length === 4 ? `${bin}-01-01` : bin.length === 7 ? `${bin}-01` : bin;
}

/** The last day of such a span. @param {string} bin */
export function lastDay(bin) {
  const first = firstDay(bin);
  const next = new Date(`${first}T00:00:00Z`);
  if (/W/.test(bin)) next.setUTCDate(next.getUTCDate() + 7);
  else if (/Q/.test(bin)) next.setUTCMonth(next.getUTCMonth() + 3);
  else if (bin.length === 4) next.setUTCFullYear(next.getUTCFullYear() + 1);
  else if (bin.length === 7) next.setUTCMonth(next.getUTCMonth() + 1);
  else next.setUTCDate(next.getUTCDate() + 1);
  return isoDay(next.getTime() / 86_400_000 - 1);
}

/** A span for people. @param {string} bin */
export const span = (bin) => (/[WQ]/.test(bin) ? bin.replace("-", " ") : date(bin));

/** What a job does and how far it is, as far as it says so. @param {Task} task */
export function stepOf({ progress }) {
  const { stage, done, total } = progress ?? {};
  return stage ? `${stage.replaceAll("_", " ")}${total ? ` ${percent((done ?? 0) / total)}` : ""}` : "";
}

/** @param {number} ms */
export const took = (ms) => (ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`);
