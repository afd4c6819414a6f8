"""The nets within which blocks are timed have every block, and are few."""

from __future__ import annotations

import dataclasses
import random

import pytest

from autostr_nni.latency.chains import covering, drawn
from autostr_nni.search_spaces.latency import backbone_blocks, blocks_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError


def test_every_block_is_in_a_net(space: SearchSpace) -> None:
    nets = covering(space, random.Random(0))
    for net in nets:
        space.check(net)
    assert {block for net in nets for block in backbone_blocks(net, space)} == set(blocks_of(space))


def test_the_nets_of_the_papers_space_are_few() -> None:
    """The seventh layer alone has 203 blocks, of which a net has one."""
    space = SearchSpace()
    of_seventh = [block for block in blocks_of(space) if block[1:3] == (64, 128)]
    nets = covering(space, random.Random(0))
    assert {block for net in nets for block in backbone_blocks(net, space)} == set(blocks_of(space))
    assert len(of_seventh) == 203 <= len(nets) < 350


def test_rounds_have_other_nets(space: SearchSpace) -> None:
    assert covering(space, random.Random(0)) == covering(space, random.Random(0))
    assert covering(space, random.Random(0)) != covering(space, random.Random(1))


def test_drawn_nets_are_different(space: SearchSpace) -> None:
    nets = drawn(space, 30, random.Random(0))
    assert len(set(nets)) == 30
    for net in nets:
        space.check(net)


def test_too_few_nets(space: SearchSpace) -> None:
    small = dataclasses.replace(space, operations=("k3e1",))
    with pytest.raises(InputError, match=r"the space has 12 architectures, and a table is checked on 30"):
        drawn(small, 30, random.Random(0))
