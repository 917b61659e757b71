"""What FP8 would cost: the cosine to f32 with the products' operands rounded to e4m3.

    python benches/peers/fp8.py [--texts 300]

The default model in PyTorch on the CPU. Weights and activations of linear layers are scaled by
their largest magnitude (of a row and a token, or of the whole tensor), rounded to float8_e4m3fn and
multiplied in f32, which is what a device's FP8 products do.
"""

import numpy as np
import torch

from common import parser, sentence_transformer
from speed import make_texts


def rounded(x: torch.Tensor, dim) -> torch.Tensor:
    scale = x.abs().amax(dim=dim, keepdim=True).clamp(min=1e-12) / 448
    return (x / scale).to(torch.float8_e4m3fn).float() * scale


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--texts", type=int, default=300)
    args = p.parse_args()
    model = sentence_transformer(args.nearwise)
    texts = make_texts("mixed", args.texts)
    exact = model.encode(texts, normalize_embeddings=True)
    layers = {
        name: layer
        for name, layer in model[0].auto_model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.startswith("encoder")
    }
    weights = {name: layer.weight.data for name, layer in layers.items()}
    for what, part in (("all linear layers", ""), ("the first of the feed-forward pair", "intermediate")):
        for scales, row, token in (("a scale a row and a token", 1, -1), ("a scale a tensor", (0, 1), (0, 1, 2))):
            for name, layer in layers.items():
                layer.weight.data = weights[name]
                layer.forward = torch.nn.Linear.forward.__get__(layer)
                if part in name:
                    layer.weight.data = rounded(weights[name], row)
                    layer.forward = lambda x, layer=layer, token=token: torch.nn.functional.linear(
                        rounded(x, token), layer.weight, layer.bias
                    )
            got = model.encode(texts, normalize_embeddings=True)
            cosines = (exact.astype(np.float64) * got).sum(axis=1)
            print(f"{what}, {scales}: mean {cosines.mean():.5f}, least {cosines.min():.5f}")


if __name__ == "__main__":
    main()
