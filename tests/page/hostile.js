// Articles whose texts try to be more than text, as JSON lines.

const EVIL = [
  "<script>window.owned = 1; alert(1)</script>",
  '"><img src=x onerror="window.owned = 1; alert(1)">',
  "</title></script><svg onload=alert(1)>",
  "javascript:alert(1)",
  "\u202egnp.exe \u2066turned\u2069 \u200fעברית مرحبا",
  "zero\u200bwidth\u200d\ufeff joiners \u{e0041}",
  "{{constructor.constructor('alert(1)')()}} ${alert(1)} `",
  "a".repeat(400),
  "Z̸̢̛a̵͝l̷̕g̴͘o̵͠ " + "\u0301".repeat(80),
  "👩‍👩‍👧‍👦 𝕏 \ud83d\ude00 line\u2028separator",
];
const PLAIN = ["Banks raise their rates again", "A ship under the square", "Glaciers lose more ice than ever", "The team wins in the last minute"];

for (let i = 0; i < 40; i++) {
  const evil = EVIL[i % EVIL.length] ?? "";
  const plain = PLAIN[i % PLAIN.length] ?? "";
  console.log(
    JSON.stringify({
      id: i === 1 ? "<img src=x onerror=alert(1)>" : `${evil.slice(0, 40)}/${i}?#%`,
      title: i % 2 ? evil : `${plain} ${evil}`,
      text: `${plain}. ${evil} was said ${i} times by those who were there.\n\n${plain} and nobody knows why ${evil}. It was told in ${i % 7} towns.`,
      source: i % 3 ? evil : "<b>The Paper</b>",
      url: i % 2 ? "javascript:alert(1)" : "https://example.org/<script>",
      date: `2024-${String((i % 12) + 1).padStart(2, "0")}-05`,
      "<i>section</i>": evil,
    }),
  );
}
