"""Augmentation of training images in batches, on whatever device they are.

torchvision's transforms draw once a call, so that all images of a batch would get the same. Here every image
has its own draws; what is batched is the arithmetic, by torchvision's functions where these take it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from autostr_nni.recipe.augment import Amount

_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])  # x, y
_LEVELS = 4  # sizes of blur and qualities of JPEG: images of one level are done together
_BEST = 95  # quality of JPEG
_BASE = 32  # height of the images that sigma is told for
#: Columns of random numbers that an image has for each kind: whether, and then its sizes.
_DRAWS = {
    "rotation": 2,
    "perspective": 9,
    "scale": 5,
    "colour": 4,
    "inversion": 1,
    "blur": 2,
    "noise": 3,
    "jpeg": 2,
}


class Augmentation:
    """The changes of ``amounts``, from `recipe.augment.amounts`, to batches of words.

    What becomes of an image depends on (seed, epoch, number of the batch, place in the batch) alone: not on
    what was drawn before, on loader processes, or on how many devices share the batch.
    """

    def __init__(self, amounts: Mapping[str, Amount], seed: int) -> None:
        self.amounts, self.seed = dict(amounts), seed

    @torch.no_grad()
    def __call__(self, images: Tensor, epoch: int, number: int, first: int = 0, every: int = 1) -> Tensor:
        """Batch ``number`` of ``epoch``, uint8 ``[B, 3, h, w]`` as it is, as the net is to see it.

        ``first`` and ``every``: the places of these images in the whole batch, of which a process may have a
        part.
        """
        if not len(images):
            return images
        places = first + every * np.arange(len(images))
        rng = np.random.default_rng([self.seed, epoch, number, 2])
        drawn = rng.random((int(places[-1]) + 1, sum(_DRAWS.values())))[places]
        columns = np.split(drawn, np.cumsum(list(_DRAWS.values()))[:-1], axis=1)
        own = {name: column for name, column in zip(_DRAWS, columns, strict=True) if name in self.amounts}
        images = images.clone(memory_format=torch.preserve_format)
        self._move(images, own)
        for name, change in _CHANGES.items():
            if name in own:
                chosen = np.flatnonzero(own[name][:, 0] < self.amounts[name].chance)
                if len(chosen):
                    change(images, chosen, own[name][chosen, 1:], self.amounts[name].size)
        return images

    def _move(self, images: Tensor, own: Mapping[str, np.ndarray]) -> None:
        """Rotation, perspective and scale at once, so that pixels are sampled anew only once."""
        height, width = images.shape[2:]
        half = np.array([width / 2, height / 2])
        corners = np.tile(_CORNERS * half, (len(images), 1, 1))  # where the new corners are taken from
        moved = np.zeros(len(images), bool)
        for name, move in (("rotation", _rotated), ("scale", _scaled), ("perspective", _stretched)):
            if name in own:
                chosen = own[name][:, 0] < self.amounts[name].chance
                corners[chosen] = move(corners[chosen], own[name][chosen, 1:], self.amounts[name].size, half)
                moved |= chosen
        if not moved.any():
            return
        rows = torch.from_numpy(np.flatnonzero(moved)).to(images.device)
        grid = _grid(corners[moved] / half, height, width).to(images.device)
        sampled = F.grid_sample(
            images[rows].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        images[rows] = _bytes(sampled)


def _rotated(corners: np.ndarray, draws: np.ndarray, degrees: float, half: np.ndarray) -> np.ndarray:
    """Turned, and shrunk so that all of the word stays to be seen."""
    angle = np.radians(degrees) * (2 * draws[:, 0] - 1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    room = np.einsum("j,kjn->nk", half, np.abs(turn)) / half  # of the word as it lies then
    turned: np.ndarray = np.einsum("ncj,kjn->nck", corners * room[:, None], turn)
    return turned


def _scaled(corners: np.ndarray, draws: np.ndarray, share: float, half: np.ndarray) -> np.ndarray:
    """Larger or smaller, in height and width apart, and aside by half as much."""
    factors = 1 + share * (2 * draws[:, None, 0:2] - 1)
    moved: np.ndarray = corners * factors + share * half * (draws[:, None, 2:4] - 0.5)
    return moved


def _stretched(corners: np.ndarray, draws: np.ndarray, share: float, half: np.ndarray) -> np.ndarray:
    """Every corner is taken from further outside: what is seen shrinks there, and no letter is cut."""
    outside: np.ndarray = corners + _CORNERS * half * share * draws.reshape(-1, 4, 2)
    return outside


def _grid(corners: np.ndarray, height: int, width: int) -> Tensor:
    """Where each pixel is sampled ``[N, height, width, 2]``: of the projection that takes the image's corners
    to ``corners [N, 4, 2]``, both in units of half a side."""
    count = len(corners)
    x, y = _CORNERS[:, 0], _CORNERS[:, 1]
    system, wanted = np.zeros((count, 8, 8)), np.zeros((count, 8, 1))
    for axis in (0, 1):
        rows, start = slice(4 * axis, 4 * axis + 4), 3 * axis
        to = corners[:, :, axis]
        system[:, rows, start : start + 3] = np.stack([x, y, np.ones(4)], 1)
        system[:, rows, 6], system[:, rows, 7] = -to * x, -to * y
        wanted[:, rows, 0] = to
    solved = np.linalg.solve(system, wanted)[:, :, 0]
    projection = np.concatenate([solved, np.ones((count, 1))], 1).reshape(count, 3, 3)
    ys = (torch.arange(height, dtype=torch.float64) + 0.5) * (2 / height) - 1
    xs = (torch.arange(width, dtype=torch.float64) + 0.5) * (2 / width) - 1
    pixels = torch.stack([*torch.meshgrid(xs, ys, indexing="xy"), torch.ones(height, width)], -1).float()
    found = torch.einsum("hwj,nkj->nhwk", pixels, torch.from_numpy(projection).float())
    return found[..., :2] / found[..., 2:]


def _colour(images: Tensor, chosen: np.ndarray, draws: np.ndarray, size: float) -> None:
    """Brightness, contrast around the mean, and saturation: each by a factor of its own."""
    from torchvision.transforms.v2.functional import rgb_to_grayscale

    factors = torch.from_numpy(1 + size * (2 * draws - 1)).float().to(images.device)
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    rows = torch.from_numpy(chosen).to(images.device)
    bright = images[rows] * brightness
    grey = rgb_to_grayscale(bright)
    mean = grey.mean((1, 2, 3), keepdim=True)
    coloured = grey + saturation * (bright - grey)
    images[rows] = _bytes(mean + contrast * (coloured - mean))


def _inversion(images: Tensor, chosen: np.ndarray, draws: np.ndarray, size: float) -> None:
    from torchvision.transforms.v2.functional import invert

    rows = torch.from_numpy(chosen).to(images.device)
    images[rows] = invert(images[rows])


def _blur(images: Tensor, chosen: np.ndarray, draws: np.ndarray, size: float) -> None:
    from torchvision.transforms.v2.functional import gaussian_blur

    for share, rows in _by_level(chosen, draws[:, 0]):
        sigma = share * size * images.shape[2] / _BASE
        side = 2 * min(math.ceil(2 * sigma), min(images.shape[2:]) - 1) + 1
        images[rows] = gaussian_blur(images[rows], [side, side], [sigma, sigma])


def _noise(images: Tensor, chosen: np.ndarray, draws: np.ndarray, size: float) -> None:
    """Every image has a generator of its own: its noise does not hang on who else is noisy."""
    for row, (share, seed) in zip(chosen.tolist(), draws.tolist(), strict=True):
        generator = torch.Generator(images.device).manual_seed(int(seed * 2**53))
        noise = torch.randn(images.shape[1:], generator=generator, device=images.device)
        images[row] = _bytes(images[row] + noise * (share * size * 255))


def _jpeg(images: Tensor, chosen: np.ndarray, draws: np.ndarray, size: float) -> None:
    """On the CPU, where libjpeg is."""
    from torchvision.transforms.v2.functional import jpeg

    for share, rows in _by_level(chosen, draws[:, 0]):
        quality = round(_BEST - share * (_BEST - size))
        images[rows] = jpeg(images[rows].cpu().contiguous(), quality).to(images.device)


_CHANGES = {"colour": _colour, "inversion": _inversion, "blur": _blur, "noise": _noise, "jpeg": _jpeg}


def _by_level(chosen: np.ndarray, draws: np.ndarray) -> list[tuple[float, list[int]]]:
    """(share of the largest size, images that get it), for each of a few shares."""
    levels = np.ceil((1 - draws) * _LEVELS).astype(int)  # 1 to _LEVELS
    return [(level / _LEVELS, chosen[levels == level].tolist()) for level in sorted(set(levels.tolist()))]


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
