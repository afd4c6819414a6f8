"""Latency tables: how long each block of a space takes on one device. `autostr measure` writes them.

All times are whole nanoseconds of one pass of a whole batch, so that sums and programmes over them are exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.json_text import MOST
from autostr_nni.system.text_files import read_text

from .architecture import Architecture
from .counting import places
from .operation import Skip
from .operations import DEFAULT_OPERATION
from .path_set import State
from .space import SearchSpace
from .stride_path import Stride

FORMAT, VERSION = "autostr latency table", 1
# Median error of predicted nets above which a table is of no use.
LARGEST_ERROR = 0.15

# Operation, channels in and out, height and width of the input, stride.
Block = tuple[str, int, int, int, int, Stride]
Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class LatencyTable:
    """How long the blocks of a space take.

    Attributes:
        device: runtime, threads, batch and precision, such as `torch-cpu, 1 thread, batch 1, float32`.
        constant_ns: what a backbone takes beside its stem and blocks; it may be below 0.
        stem_ns: the stem.
        blocks: every block of the space that was measured.
        stem: channels, height and width that leave the stem.
        batch: images of the pass that all times are of.
        source: the file, for sentences.
    """

    device: str
    constant_ns: int
    stem_ns: int
    blocks: Mapping[Block, int]
    stem: Shape = (0, 0, 0)
    batch: int = 1
    source: str = "the latency table"

    def ns(self, op: str, cin: int, cout: int, h: int, w: int, stride: Stride) -> int:
        """Give the nanoseconds of a block, for one pass of the whole batch.

        The table has the blocks of `blocks_of(space)`: none in a state from which no path comes to its end.

        Raises:
            InputError: it is not in the table.
        """
        found = self.blocks.get((op, cin, cout, h, w, stride))
        if found is None:
            block = told((op, cin, cout, h, w, stride))
            raise InputError(f"{self.source}: has no {block}; measure again with `autostr measure`")
        return found


def told(block: Block) -> str:
    """Name a block in a sentence."""
    op, cin, cout, h, w, (high, wide) = block
    return f"{op} from {cin} to {cout} channels on {h}x{w} with stride ({high}, {wide})"


def backbone_blocks(architecture: Architecture, space: SearchSpace) -> list[Block]:
    """List the blocks of a backbone of the space, first layer first, without the stem."""
    layers = zip(architecture.operations, places(architecture.path, space), strict=True)
    return [(op, *place) for op, place in layers]


def state_blocks(space: SearchSpace, state: State, stride: Stride) -> list[Block]:
    """List the blocks that may stand in a state with a stride: the candidates and the default operation."""
    names = dict.fromkeys((*space.candidates_at(state, stride), DEFAULT_OPERATION))
    return [(op, *space.place(state, stride)) for op in names]


def blocks_of(space: SearchSpace) -> list[Block]:
    """List the distinct blocks of all backbones of a space; the default operation is in all places too."""

    def every() -> Iterator[Block]:
        for state, steps in reversed(space.paths.live_steps().items()):
            for stride, _ in steps:
                yield from state_blocks(space, state, stride)

    return list(dict.fromkeys(every()))


def check_covers(table: LatencyTable, space: SearchSpace, where: str) -> None:
    """Refuse a table that lacks a block of the space.

    Args:
        table: what was measured.
        space: what is searched.
        where: what the sentence begins with, such as `recipe.yml: search.cost.table`.

    Raises:
        InputError: the space has changed since; the first block that is missing is named.
    """
    again = "the space has changed since it was measured, measure it again with `autostr measure`"
    stem = (space.stem_width, space.height, space.width)
    if table.stem != stem:
        was, now = ("x".join(map(str, shape)) for shape in (table.stem, stem))
        raise InputError(f"{where}: {table.source} is of a stem of {was}, and the space's is {now}: {again}")
    missing = [block for block in blocks_of(space) if block not in table.blocks]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"{where}: {table.source} has no {told(missing[0])}{more}: {again}")


def unfinished(path: Path) -> Path:
    """Name the file in which a measurement is kept until it has finished."""
    return path.with_name(f"{path.name}.part")


def read_latency_table(path: Path) -> LatencyTable:
    """Read what `autostr measure` wrote.

    Raises:
        InputError: there is no such file, it is cut, damaged, of another kind or version, or its check says
            that it predicts whole nets badly.
    """
    if not path.exists() and unfinished(path).exists():
        raise InputError(f"{path}: is not measured to its end; go on with the same `autostr measure`")
    text = read_text(path, most=MOST)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is cut or damaged; measure again with `autostr measure`") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is no latency table; name a file that `autostr measure` wrote")
    if content.get("version") != VERSION:
        raise InputError(
            f"{path}: is a latency table of version {shown(content.get('version'))}, and this autostr reads "
            f"{VERSION}; measure again with `autostr measure`"
        )
    try:
        table = table_of(content, str(path))
        error = float(content["check"]["median_error"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: is damaged; measure again with `autostr measure`") from None
    if not error <= LARGEST_ERROR:  # NaN too
        raise InputError(
            f"{path}: predicts whole nets with a median error of {error:.0%}, above {LARGEST_ERROR:.0%}, and "
            "is not used; measure again on a machine that does nothing else"
        )
    return table


def table_of(content: Mapping[str, Any], source: str = LatencyTable.source) -> LatencyTable:
    """Take the table out of a file's content. Raises what damaged values raise."""
    blocks: dict[Block, int] = {}
    for op, cin, cout, h, w, (high, wide), ns in content["blocks"]:
        stride = (_whole(high), _whole(wide))
        blocks[_text(op), _whole(cin), _whole(cout), _whole(h), _whole(w), stride] = _whole(ns)
    stem = content["stem"]
    # Only what passes by takes no time: a network that costs nothing has no logarithm for Eq. 3.
    if any(ns < (0 if op == Skip.name else 1) for (op, *_), ns in blocks.items()):
        raise ValueError
    if not blocks or _whole(stem["ns"]) < 0 or _whole(content["batch"]) < 1:
        raise ValueError
    return LatencyTable(
        device=_text(content["device"]),
        constant_ns=_whole(content["constant_ns"]),
        stem_ns=_whole(stem["ns"]),
        blocks=blocks,
        stem=(_whole(stem["channels"]), _whole(stem["height"]), _whole(stem["width"])),
        batch=_whole(content["batch"]),
        source=source,
    )


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
