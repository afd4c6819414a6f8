"""Augmentation: every image has its own draws, which hang on nothing but seed, epoch, batch and place."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from autostr_nni.data import augment
from autostr_nni.data.augment import Augmentation
from autostr_nni.recipe.augment import KINDS, Amount, amounts


def words(count: int = 40, height: int = 32, width: int = 64) -> torch.Tensor:
    """uint8 [count, 3, height, width], channels last: soft noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, height // 4, width // 4, generator=generator)
    images = F.interpolate(coarse, (height, width), mode="bilinear").mul(255).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def changed(one: torch.Tensor, other: torch.Tensor) -> list[int]:
    return (one != other).flatten(1).any(1).nonzero()[:, 0].tolist()


def test_draws_hang_on_seed_epoch_batch_and_place_alone() -> None:
    images = words()
    strong = amounts("strong")
    before, kept = torch.get_rng_state(), images.clone()
    seen = Augmentation(strong, 1)(images, 2, 3)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(images, kept)
    assert seen.dtype == torch.uint8 and seen.shape == images.shape
    assert len(changed(seen, images)) > 30
    assert torch.equal(Augmentation(strong, 1)(images, 2, 3), seen)
    for other in (Augmentation(strong, 2)(images, 2, 3), Augmentation(strong, 1)(images, 1, 3)):
        assert not torch.equal(other, seen)
    assert not torch.equal(Augmentation(strong, 1)(images, 2, 4), seen)
    assert not torch.equal(seen[0], Augmentation(strong, 1)(images[:1].repeat(2, 1, 1, 1), 2, 3)[1])


@pytest.mark.parametrize("size", [2, 3])
def test_processes_that_share_a_batch_see_what_one_would(size: int) -> None:
    images, augmentation = words(23), Augmentation(amounts("strong"), 1)
    whole = augmentation(images, 0, 0)
    for rank in range(size):
        assert torch.equal(augmentation(images[rank::size], 0, 0, rank, size), whole[rank::size])
    assert augmentation(images[:0], 0, 0, 1, 2).shape == (0, 3, 32, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_changes_its_share_of_the_images(kind: str) -> None:
    images, (chance, _) = words(400), KINDS[kind].strong
    seen = Augmentation({kind: KINDS[kind].strong}, 5)(images, 0, 0)
    assert chance - 0.1 < len(changed(seen, images)) / 400 < chance + 0.1
    alike = Augmentation({kind: Amount(0.0, 1.0)}, 5)(images, 0, 0)
    assert torch.equal(alike, images)


def always(kind: str, size: float, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return Augmentation({kind: Amount(1.0, size)}, seed)(images, 0, 0)


def test_what_the_kinds_do() -> None:
    images = words()
    assert torch.equal(always("inversion", 0, images), 255 - images)
    flat = torch.full_like(images, 128)
    noise = always("noise", 0.1, flat).float() - 128
    assert 0.05 * 255 * 0.8 < float(noise.std()) < 0.1 * 255 and float(noise.std((1, 2, 3)).max()) < 27
    grey = images[:, :1].expand_as(images)
    coloured = always("colour", 0.5, grey)
    assert torch.equal(coloured[:, 0], coloured[:, 2]) and len(changed(coloured, grey)) == 40
    bright = always("colour", 0.5, flat).float().mean((1, 2, 3)) / 128
    assert 0.5 <= float(bright.min()) < 0.7 and 1.3 < float(bright.max()) <= 1.5
    edges = lambda x: float((x[..., 1:].float() - x[..., :-1].float()).abs().mean())  # noqa: E731
    assert edges(always("blur", 3.0, images)) < 0.8 * edges(images)
    assert torch.equal(always("jpeg", 20, flat), flat)


@pytest.mark.parametrize(("kind", "size"), [("rotation", 40.0), ("perspective", 0.9)])
def test_no_letter_is_cut(kind: str, size: float) -> None:
    """Marks in the corners stay to be seen, and the border goes on outside."""
    images = torch.full((40, 3, 32, 64), 255, dtype=torch.uint8)
    images[:, 0, 1:6, 1:6] = images[:, 1, 1:6, -6:-1] = images[:, 2, -6:-1, -6:-1] = 0
    seen = always(kind, size, images)
    for channel in range(3):
        assert int(seen[:, channel].flatten(1).amin(1).max()) < 110
    assert int(always(kind, size, torch.full_like(images, 77)).min()) == 77


def test_the_grid_is_the_projection_of_the_corners() -> None:
    still = augment._CORNERS[None].repeat(2, 0)
    plain = F.affine_grid(torch.eye(2, 3).repeat(2, 1, 1), [2, 3, 8, 16], align_corners=False)
    assert torch.allclose(augment._grid(still, 8, 16), plain, atol=1e-6)
    moved = still + [[0.5, -0.25]]
    shift = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, -0.25]]).repeat(2, 1, 1)
    assert torch.allclose(
        augment._grid(moved, 8, 16), F.affine_grid(shift, [2, 3, 8, 16], align_corners=False), atol=1e-6
    )
