"""The `search.cost` section: what a search counts of its nets, by which table, and how much they may have."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, ValidationInfo, model_validator

from autostr_nni.recipe.base import Section, absolute, text_path
from autostr_nni.search_spaces.counting import Kind, Price
from autostr_nni.search_spaces.latency import Block, LatencyTable, read_latency_table
from autostr_nni.system.errors import InputError

Millions = Annotated[float, Field(gt=0.0, le=1e9)]  # of MACs, parameters or nanoseconds

_HEAD = re.compile(r"batch (\d{1,9}), constant (-?\d{1,18}), stem (\d{1,18}) (\d{1,9}) (\d{1,9})x(\d{1,9})")
_BLOCK = re.compile(r"(\S+) (\d{1,9}) (\d{1,9}) (\d{1,9})x(\d{1,9}) (\d{1,9})x(\d{1,9}) (\d{1,18})")


def _table(value: Any, info: ValidationInfo) -> LatencyTable:
    """That of a file, or what a recipe keeps of it: it stays when the file is moved or changed."""
    if isinstance(value, LatencyTable):
        return value
    if isinstance(value, list | tuple):
        return _of_lines(value)
    try:
        return read_latency_table(absolute(Path(text_path(value)), info))
    except InputError as error:
        raise ValueError(f"file {error}") from None


def lines_of(table: LatencyTable) -> list[str]:
    """A table in lines of text: a short hash, by which sentences tell tables apart, its device, what all nets
    have, and a line per block, in order.

    The same figures are the same lines, wherever their file lies and however it is written.
    """
    channels, h, w = table.stem
    head = f"batch {table.batch}, constant {table.constant_ns}, stem {table.stem_ns} {channels} {h}x{w}"
    blocks = [
        f"{op} {cin} {cout} {high}x{wide} {stride[0]}x{stride[1]} {ns}"
        for (op, cin, cout, high, wide, stride), ns in table.blocks.items()
    ]
    lines = [table.device, head, *sorted(blocks)]
    return [hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8], *lines]


def _of_lines(lines: list[Any] | tuple[Any, ...]) -> LatencyTable:
    """The table of `lines_of`."""
    if len(lines) < 3 or not all(isinstance(line, str) for line in lines):
        raise ValueError("must be the path of a file that `autostr measure` wrote")
    blocks: dict[Block, int] = {}
    head = _HEAD.fullmatch(lines[2])
    for line in lines[3:]:
        match = _BLOCK.fullmatch(line)
        if head is None or match is None:
            break
        cin, cout, h, w, high, wide, ns = map(int, match.groups()[1:])
        blocks[(match[1], cin, cout, h, w, (high, wide))] = ns
    if head is None or len(blocks) != len(lines) - 3:
        raise ValueError("holds a damaged table; name the file that `autostr measure` wrote")
    batch, constant, stem, channels, h, w = map(int, head.groups())
    return LatencyTable(lines[1], constant, stem, blocks, (channels, h, w), batch)


Table = Annotated[InstanceOf[LatencyTable], BeforeValidator(_table), PlainSerializer(lines_of)]


class CostSection(Section):
    """What counts against the budget, in place of MACs, and how much of it a net may have."""

    kind: Kind = "macs"
    table: Table | None = None  # with kind: latency, the file of `autostr measure`
    # million MACs, million parameters, or milliseconds; null with kind: macs: operators.budget_m
    budget: Millions | None = None

    @model_validator(mode="after")
    def _check(self) -> CostSection:
        if self.kind == "latency" and self.table is None:
            raise ValueError("table: is missing; with kind: latency name a file of `autostr measure`")
        if self.kind != "latency" and self.table is not None:
            raise ValueError(f"table: goes with kind: latency, not with {self.kind}; leave one of them out")
        if self.kind != "macs" and self.budget is None:
            raise ValueError(f"budget: is missing; with kind: {self.kind} write how many {self.price.unit}")
        return self

    @property
    def price(self) -> Price:
        """What is counted."""
        return Price(self.kind, self.table)
