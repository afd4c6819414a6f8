"""What the fields of a search space must be, told one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autostr_nni.system.errors import InputError, shown

from . import operations as ops

if TYPE_CHECKING:
    from .space import SearchSpace

MOST = 65_536  # pixels of a side, or channels
MOST_LAYERS = 1_000


def check_numbers(space: SearchSpace) -> None:
    """Raise InputError for what would take for ever to count, and in files what is no number at all."""
    values = {name: getattr(space, name) for name in ("height", "width", "out_height", "out_width")}
    for name in ("stage_widths", "stage_layers", "alphabet", "operations"):
        if not isinstance(getattr(space, name), (list, tuple)):
            raise InputError(f"{name} {shown(getattr(space, name))} must be a list")
    for stride in space.alphabet:
        if not isinstance(stride, (list, tuple)) or len(stride) != 2:
            raise InputError(f"alphabet: {shown(stride)} must be a stride (height, width)")
    values |= {"stem_width": space.stem_width, "projection_skip": space.projection_skip}
    lists: dict[str, Sequence[int]] = {
        "stage_widths": space.stage_widths,
        "stage_layers": space.stage_layers,
        "alphabet": [number for stride in space.alphabet for number in stride],
    }
    for name, value in [*values.items(), *((name, n) for name, ns in lists.items() for n in ns)]:
        kind = bool if name == "projection_skip" else int
        if type(value) is not kind:
            raise InputError(f"{name}: {shown(value)} must be {'true or false' if kind is bool else 'whole'}")
        if value > MOST:
            raise InputError(f"{name}: {shown(value)} must be at most {MOST}")
    if sum(space.stage_layers) > MOST_LAYERS:
        raise InputError(f"stage_layers {shown(list(space.stage_layers))} are over {MOST_LAYERS} layers")


def check_stages(space: SearchSpace) -> None:
    """Raise InputError where stages have no width or no layer."""
    if len(space.stage_widths) != len(space.stage_layers) or not space.stage_layers:
        raise InputError(
            f"stage_widths {list(space.stage_widths)} and stage_layers {list(space.stage_layers)} "
            "must have one number per stage each"
        )
    for name in ("stage_widths", "stage_layers"):
        if min(getattr(space, name)) < 1:
            raise InputError(f"{name} {list(getattr(space, name))} must be positive")
    if space.stem_width < 1:
        raise InputError(f"stem_width {space.stem_width} must be positive")


def check_operations(names: Sequence[str]) -> None:
    """Raise InputError for operations that are unknown, repeat, or leave none for a layer with a stride."""
    for name in names:
        ops.parse(name)
    if len(set(names)) != len(names):
        raise InputError(f"operations {list(names)} must not repeat")
    if not any(ops.parse(name).fits(True, False) for name in names):
        raise InputError(f"operations must hold at least one besides {' and '.join(names) or 'skip'}")
