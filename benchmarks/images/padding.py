"""What a net that was trained on padded images makes of the padding.

    python -m benchmarks.images.padding NET LMDB

Reads a set as `autostr evaluate` does, then with the decoder kept to the steps that the image reaches: all
that a mask could take away from it. Tells both accuracies, how many readings differ, how much of the image is
padding and how much of the attention lies there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from autostr_nni.data.charset import Charset
from autostr_nni.data.decoding.images import FILL
from autostr_nni.models.traceable import UnrolledReader
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import open_test_set


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("net", type=Path)
    parser.add_argument("set", type=Path)
    options = parser.parse_args()
    trained = load_trained(options.net)
    net, longest = trained.recognizer, trained.recipe.data.max_length
    charset = Charset.named(trained.recipe.data.charset)
    words = open_test_set(trained.recipe, options.set)
    batch = words.batch(range(len(words)))
    words.close()
    features = net.features_by_parts(batch.images)
    padded = (batch.images == FILL).all(2).all(1)  # [B, W], columns of nothing else
    width = padded.shape[1] - padded.flip(1).long().cumprod(1).sum(1)
    steps = -(-width * features.shape[1] // padded.shape[1])

    plain = [charset.decode(ids) for ids in net.decoder.greedy(features, longest).ids.tolist()]
    kept = list(plain)
    for count in steps.unique().tolist():
        rows = (steps == count).nonzero()[:, 0]
        found = net.decoder.greedy(features[rows, :count], longest).ids.tolist()
        for row, ids in zip(rows.tolist(), found, strict=True):
            kept[row] = charset.decode(ids)
    read = UnrolledReader(net, longest)(batch.images)
    told = (read.ids != net.decoder.eos).float()  # [B, places], where a character was told
    outside = torch.arange(features.shape[1]) >= steps[:, None]
    beyond = ((read.attention * outside[:, None]).sum(-1) * told).sum() / told.sum()

    truths = [charset.clean(text)[0] for text in batch.texts]
    right = [sum(a == b for a, b in zip(said, truths, strict=True)) for said in (plain, kept)]
    differ = sum(a != b for a, b in zip(plain, kept, strict=True))
    whole, without = (100 * count / len(truths) for count in right)
    print(f"{len(truths)} words, {100 * float(padded.float().mean()):.1f} % of the images is padding")
    print(f"{whole:.2f} % right, {without:.2f} % without the padded steps; {differ} readings differ")
    print(f"{100 * float(beyond):.2f} % of the attention lies on padding")


if __name__ == "__main__":
    main()
