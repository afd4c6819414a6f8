"""Labels as what a net is trained towards: the class numbers of their characters."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch

from autostr_nni.data.charset import END, PAD, Charset

#: Value of the places after a word's end; cross-entropy ignores it.
PADDING = -100
_UNKNOWN = -200  # of a byte that only `Charset.encode_label` knows what to do with


class Targets:
    """Class numbers in a charset, looked up byte by byte where that can be done."""

    def __init__(self, charset: Charset) -> None:
        self._charset = charset
        self._numbers = np.array(charset.numbers(PADDING, _UNKNOWN), np.int64)

    def of(self, labels: list[bytes]) -> tuple[torch.Tensor, torch.Tensor]:
        """Class numbers of B labels with the end of the word, padded (int64 [B, T]); how many (int64 [B])."""
        width = max(map(len, labels), default=-1) + 1
        text = b"".join([(label + END).ljust(width, PAD) for label in labels])
        targets = self._numbers.take(np.frombuffer(text, np.uint8)).reshape(len(labels), width)
        if targets.min(initial=0) != _UNKNOWN:
            lengths = np.fromiter(map(len, labels), np.int64, len(labels)) + 1
            return torch.from_numpy(targets), torch.from_numpy(lengths)
        ids = [self._charset.encode_label(label) for label in labels]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        targets = np.full((len(ids), int(lengths.max())), PADDING, np.int64)
        inside = np.arange(targets.shape[1]) < lengths[:, None]
        targets[inside] = np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum()))
        return torch.from_numpy(targets), torch.from_numpy(lengths)
