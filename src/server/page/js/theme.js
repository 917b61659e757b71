// Light or dark: as the system has it, until one chooses.

const KEY = "nearwise-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** @type {string} */
let chosen = "";
try {
  chosen = localStorage.getItem(KEY) ?? "";
} catch {
  // A page from a file may not keep anything.
}

/** @type {(() => void)[]} */
const told = [];

function apply() {
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  for (const tell of told) tell();
}

export const currentTheme = () => chosen || "as the system";
export const isDark = () => (chosen ? chosen === "dark" : system.matches);

/** The system's, then the other one, then that of the system again. */
export function nextTheme() {
  chosen = chosen ? "" : system.matches ? "light" : "dark";
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // It holds until the page is closed.
  }
  apply();
}

/** @param {() => void} tell */
export function onTheme(tell) {
  told.push(tell);
}

system.addEventListener("change", apply);
apply();
