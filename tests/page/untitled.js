// Articles without titles, sources and dates, as JSON lines: each is longer than a passage, and what
// tells one from the others stands far behind its beginning.

const WORDS = ["river", "water", "ice", "price", "match", "team", "court", "vote"];
const filler = (/** @type {number} */ i) => `The city said that the ${WORDS[i % WORDS.length]} was ${["cut", "met", "said"][i % 3]} in the last minute.`;

for (let i = 0; i < 14; i++) {
  const before = Array.from({ length: 40 }, (_, k) => filler(i * 5 + k * 3)).join(" ");
  console.log(JSON.stringify({ id: `u-${i}`, text: `Beginning number ${i} of the ${WORDS[i % WORDS.length]}. ${before}\n\nThe vaccine met the doctors and the patients.` }));
}
