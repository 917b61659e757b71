"""Tokens a second, Nearwise against sentence-transformers, the same texts, one after the other.

    python benches/peers/speed.py [--words 20 60 180] [--texts 64] [--rounds 5]

Both run in a process that has the model loaded: Nearwise's time is that of `nearwise embed` less the
time of embedding one word. Alternates the two and prints the ratio of medians.
"""

import random
import statistics
import time

from common import embed, parser, sentence_transformer

p = parser(__doc__)
p.add_argument("--words", type=int, nargs="+", default=[20, 60, 180])
p.add_argument("--texts", type=int, default=64)
p.add_argument("--rounds", type=int, default=5)
args = p.parse_args()
model = sentence_transformer(args.nearwise)
vocabulary = (
    "the minister announced a budget for regional railways after weeks of negotiation with unions "
    "while markets in Zurich recovered slightly because exporters reported stronger earnings"
).split()
chance = random.Random(1)


def seconds(f) -> float:
    started = time.perf_counter()
    f()
    return time.perf_counter() - started


for words in args.words:
    ours, theirs = [], []
    for _ in range(args.rounds + 1):
        texts = [" ".join(chance.choices(vocabulary, k=words)) for _ in range(args.texts)]
        start = seconds(lambda: embed(args.nearwise, ["one"]))
        ours.append(seconds(lambda: embed(args.nearwise, texts)) - start)
        theirs.append(seconds(lambda: model.encode(texts, normalize_embeddings=True, batch_size=32)))
    # The first round warms up.
    a, b = statistics.median(ours[1:]), statistics.median(theirs[1:])
    tokens = sum(len(model.tokenizer(t)["input_ids"]) for t in texts)
    print(
        f"{words} words: nearwise {tokens / a:,.0f} tokens/s, sentence-transformers {tokens / b:,.0f}, "
        f"ratio {b / a:.2f}"
    )
