"""The search space: its size, its members, its draws."""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
from collections import Counter

import pytest
from scipy.stats import chisquare

from autostr_nni.search_spaces import counting
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.operation import changes_shape
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

PAPER = SearchSpace()
# 30 paths, and 96 architectures in all.
TINY = SearchSpace(
    height=8, width=8, out_height=1, out_width=4, stem_width=4, stage_widths=(4, 8), stage_layers=(3, 2),
    operations=("k3e1", "skip"),
)  # fmt: skip


def members(space: SearchSpace) -> list[Architecture]:
    """List a small space path by path."""

    def names(path: StridePath, layer: int) -> list[tuple[str, ...]]:
        if layer > space.layers:
            return [()]
        rest = names(path, layer + 1)
        return [(name, *more) for name in space.candidates(path, layer) for more in rest]

    return [Architecture(path, ops) for path in space.paths for ops in names(path, 1)]


def test_size_of_the_papers_space():
    assert PAPER.size(projection_skip=True) == 30030 * 7**15
    assert dataclasses.replace(PAPER, projection_skip=True).size() == 30030 * 7**15
    # Without projection, path by path: 6 candidates where the shape changes, 7 elsewhere.
    expected = sum(
        math.prod(
            6 if changes_shape(*widths, stride) else 7
            for widths, stride in zip(PAPER.layer_widths, path.strides, strict=True)
        )
        for path in PAPER.paths
    )
    assert PAPER.size() == PAPER.size(projection_skip=False) == expected
    assert dataclasses.replace(PAPER, projection_skip=True).size(projection_skip=False) == expected


def test_small_spaces_are_what_listing_finds():
    for space in (TINY, dataclasses.replace(TINY, projection_skip=True)):
        listed = members(space)
        assert space.size() == len(listed)
        assert {space.at(index) for index in range(space.size())} == set(listed)
        least = min(counting.total(counting.backbone_costs(found, space)).macs for found in listed)
        assert counting.MACS.smallest(space) == least
    with pytest.raises(IndexError):
        TINY.at(TINY.size())


def test_candidates_follow_the_path():
    path = StridePath.parse("ABABB")
    assert len(PAPER.candidates(path, 1)) == 6  # stride
    assert len(PAPER.candidates(path, 2)) == 7
    assert len(PAPER.candidates(path, 4)) == 6  # stride and width
    moved = StridePath.parse("A...B.A..B..B..")
    assert len(PAPER.candidates(moved, 4)) == 6  # width alone
    assert len(PAPER.candidates(moved, 5)) == 6  # stride alone
    assert len(dataclasses.replace(PAPER, projection_skip=True).candidates(path, 1)) == 7
    assert PAPER.layer_widths[:4] == ((32, 32), (32, 32), (32, 32), (32, 64))


def test_draws_are_uniform_over_architectures():
    rng = random.Random(3)
    found = Counter(TINY.sample(rng) for _ in range(50_000))
    assert chisquare([found[architecture] for architecture in members(TINY)]).pvalue > 0.001


def test_draws_keep_to_a_budget_and_to_paths():
    rng = random.Random(0)
    for _ in range(20):
        architecture = sample_within(PAPER, rng, 300_000_000)
        assert counting.total(counting.backbone_costs(architecture, PAPER)).macs <= 300_000_000
    typical = PAPER.typical_paths()
    drawn = {PAPER.sample(rng, paths=typical).path for _ in range(300)}
    assert drawn == set(typical)
    assert PAPER.sample(random.Random(7)) == PAPER.sample(random.Random(7))
    with pytest.raises(InputError, match=r"1 M MACs is too small .* has 8\.7264 M"):
        sample_within(PAPER, rng, 1_000_000)


def test_check_names_what_is_wrong():
    path = StridePath.parse("ABABB")
    PAPER.check(PAPER.default_architecture(path))
    PAPER.check(PAPER.default_architecture(path, "k3e1"))
    with pytest.raises(InputError, match="layer 1 changes the shape and cannot be skip"):
        PAPER.check(PAPER.default_architecture(path, "skip"))
    with pytest.raises(InputError, match="layer 1: operation k7e3 is not of this space"):
        PAPER.check(PAPER.default_architecture(path, "k7e3"))
    with pytest.raises(InputError, match="stride path AAABB is not feasible"):
        PAPER.check(PAPER.default_architecture(StridePath.parse("AAABB")))
    dataclasses.replace(PAPER, projection_skip=True).check(PAPER.default_architecture(path, "skip"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage_widths": (32, 64)}, "one number per stage"),
        ({"stage_layers": (3, 3, 3, 3, 0)}, "stage_layers .* must be positive"),
        ({"stage_widths": (0, 1, 2, 3, 4)}, "stage_widths .* must be positive"),
        ({"stem_width": 0}, "stem_width"),
        ({"operations": ("skip",)}, "at least one besides skip"),
        ({"operations": ()}, "at least one besides skip"),
        ({"operations": ("k3e1", "k3e1")}, "must not repeat"),
        ({"operations": ("k3e",)}, "unknown operation 'k3e'.*did you mean"),
        ({"width": 101}, "width 101 must be a positive multiple"),
        ({"stage_layers": (1, 1), "stage_widths": (8, 8)}, "no stride path of 2 layers leads from 32x100"),
    ],
)
def test_impossible_spaces_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PAPER, **changes)


def test_spaces_are_values():
    space = SearchSpace(stage_widths=[32, 64, 128, 256, 512], operations=list(PAPER.operations))
    assert space == PAPER and hash(space) == hash(PAPER)
    assert space.describe()["alphabet"] == [[2, 2], [2, 1]]
    PAPER.size()
    assert len(pickle.dumps(PAPER)) < 1000 and pickle.loads(pickle.dumps(PAPER)) == PAPER
