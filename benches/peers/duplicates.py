"""Near-duplicates by words against all pairs computed exactly.

    python benches/peers/duplicates.py CORPUS REFERENCE.tsv.gz

REFERENCE holds id1, id2 and the Jaccard index of three-word sequences, of every pair at 0.5 or more.
Prints how many of the pairs Nearwise finds and how many of its pairs the reference lacks.
"""

import gzip
import json

from common import parser, run

p = parser(__doc__)
p.add_argument("corpus")
p.add_argument("reference")
args = p.parse_args()
with gzip.open(args.reference, "rt", encoding="utf8") as lines:
    rows = [line.rstrip("\n").split("\t") for line in lines][1:]
known = {frozenset(row[:2]): float(row[2]) for row in rows}
listed = json.loads(run(args.nearwise, "duplicates", "-c", args.corpus, "--limit", 10**6, "--json"))
# Copies are one group: what is said of one holds for all of them.
copies: dict[str, list[str]] = {}
for group in listed["groups"]:
    for member in group["members"]:
        if "copy_of" in member:
            copies.setdefault(member["copy_of"], []).append(member["id"])
first = {copy: one for one, others in copies.items() for copy in others}
found = {}
for pair in listed["pairs"]:
    a, b = (first.get(id, id) for id in (pair["a"], pair["b"]))
    for x in [a, *copies.get(a, [])]:
        for y in [b, *copies.get(b, [])]:
            if x != y:
                found[frozenset((x, y))] = pair["words"]
for least in [0.5, 0.6, 0.8, 1.0]:
    there = [pair for pair, score in known.items() if score >= least]
    hit = sum(pair in found for pair in there)
    print(f"Jaccard {least} or more: {hit} of {len(there)} pairs found")
extra = [s for pair, s in found.items() if pair not in known]
print(f"{len(found)} pairs in all, {len(extra)} not in the reference" + (f", up to {max(extra):.2f}" if extra else ""))
