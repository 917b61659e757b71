// Articles of a small town's papers as JSON lines, in the few words that the tests' tiny model
// knows: six matters, three papers, two years, with a copy and a retelling of some, and an end that
// a paper adds to all of its articles.

const MATTERS = [
  ["money", ["bank", "rates", "interest rate", "cut", "company", "price"]],
  ["votes", ["election", "vote", "minister", "court"]],
  ["game", ["team", "goal", "match", "cup final", "last minute"]],
  ["sky", ["moon", "orbit", "ship", "data"]],
  ["health", ["vaccine", "patients", "doctors"]],
  ["cold", ["ice", "water", "river", "city"]],
];
const PAPERS = ["The Morning Post", "Evening News", "Harbour Weekly"];
const END = "Said for the market of the city and from this last minute on.";

let seed = 7;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
};
const pick = (/** @type {string[]} */ list) => list[Math.floor(random() * list.length)] ?? "";
const large = (/** @type {string} */ text) => text.charAt(0).toUpperCase() + text.slice(1);

for (let i = 0; i < 180; i++) {
  const [section = "", words = []] = MATTERS[i % MATTERS.length] ?? [];
  const of = /** @type {string[]} */ (words);
  const title = `The ${pick(of)} and the ${pick(of)} met the ${pick(of)}`;
  const sentence = () => `The ${pick(of)} of the ${pick(of)} was with the ${pick(of)} that said ${pick(of)}.`;
  const paragraphs = [1, 2, 3].map(() => [sentence(), sentence(), sentence()].join(" "));
  const source = PAPERS[i % 7 === 0 ? 2 : i % 2] ?? "";
  const month = (i * 7) % 24;
  const day = (m) => `${2023 + Math.floor(m / 12)}-${String((m % 12) + 1).padStart(2, "0")}-${String((i % 27) + 1).padStart(2, "0")}`;
  const told = { id: `town-${i}`, title: large(title), text: [...paragraphs, ...(source === PAPERS[0] ? [END] : [])].join("\n\n"), source, date: day(month), section, wire: `w-${i}`, url: `https://town.example/${i}` };
  console.log(JSON.stringify(told));
  if (i % 30 === 3) {
    console.log(JSON.stringify({ ...told, id: `town-${i}-copy`, source: PAPERS[2], date: day(Math.min(23, month + 1)), text: paragraphs.join("\n\n") }));
  }
}

// One that is much longer than a passage, of which one sentence is told from all others.
const filler = (/** @type {number} */ i) => `The city said that the ${["river", "water", "ice", "price"][i % 4]} was ${["cut", "met", "said"][i % 3]} in the last minute of the match.`;
const before = Array.from({ length: 40 }, (_, i) => filler(i)).join(" ");
const after = Array.from({ length: 40 }, (_, i) => filler(i + 1)).join(" ");
console.log(JSON.stringify({ id: "town-long", title: "A long year in the city", text: `${before}\n\nThe vaccine met the doctors and the patients. ${after}`, source: PAPERS[1], date: "2023-03-03", section: "health" }));
