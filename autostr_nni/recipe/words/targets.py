"""Several targets in one recipe: `data.targets` gives each the words that it is searched for by.

``recipe.yml#scene`` names the recipe of one of them: that of `data` with the target's keys in their place. It
is an ordinary recipe, and finds what a file of its own would find (one architecture for each benchmark, as in
Section 4.2 of the paper).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.recipe.data import named_sets
from autostr_nni.recipe.yaml_file import Location
from autostr_nni.system.errors import InputError, shown

KEY = "data.targets"
MARK = "#"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
Lines = Mapping[Location, int] | None


class SeveralTargets(InputError):
    """A recipe of several targets, none of which is named."""

    def __init__(self, recipe: str, names: Sequence[str]) -> None:
        super().__init__(
            f"{recipe}: {KEY} has {', '.join(names)}; name one of them as {recipe}{MARK}{names[0]} "
            "(autostr search goes through all)"
        )
        self.names = tuple(names)


def split(recipe: Path) -> tuple[Path, str | None]:
    """``recipe.yml#scene`` as the file and the name of the target, which is None for a file alone."""
    name, mark, target = recipe.name.rpartition(MARK)
    if not (mark and name and target) or os.path.lexists(recipe):
        return recipe, None
    return recipe.with_name(name), target


def target_of(recipe: Mapping[str, Any] | None) -> str | None:
    """The target that a search was for, by the recipe that it keeps; None where it had none."""
    data = (recipe or {}).get("data")
    target = data.get("target") if isinstance(data, Mapping) else None
    name = target.get("name") if isinstance(target, Mapping) else None
    return name if isinstance(name, str) else None


def for_target(content: Any, lines: Lines, target: str | None, recipe: str) -> tuple[Any, Lines]:
    """A recipe's content, and the lines of its keys, as they are for one target.

    A recipe without targets stays as it is. `recipe` is what errors call the file.

    Raises:
        SeveralTargets: there are targets and none is named.
        InputError: there is no such target, or what the file says of its targets cannot be.
    """
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, Mapping) or "targets" not in data:
        if target is not None:
            raise InputError(f"{recipe}: has no {KEY}, and so no target {target}; name the file alone")
        return content, lines
    targets = data["targets"]
    _check(targets, lines, recipe)
    if target is None:
        raise SeveralTargets(recipe, list(targets))
    if target not in targets:
        raise InputError(f"{recipe}: {KEY} has no {target}, only {', '.join(targets)}")
    common, own = {key: value for key, value in data.items() if key != "targets"}, targets[target]
    about = {"name": target, "elsewhere": _elsewhere(common, targets, target, recipe)}
    kept = {
        place: line
        for place, line in (lines or {}).items()
        if place[:1] != ("data",) or place[1:2] not in [("targets",), *((key,) for key in own)]
    }
    prefix = ("data", "targets", target)
    moved = {("data", *place[3:]): line for place, line in (lines or {}).items() if place[:3] == prefix}
    return {**content, "data": {**common, **own, "target": about}}, {**moved, **kept}


def _check(targets: Any, lines: Lines, recipe: str) -> None:
    """Raise InputError where these are no targets."""

    def at(*place: str) -> str:
        line = (lines or {}).get(("data", "targets", *place))
        return recipe if line is None else f"{recipe}:{line}"

    if not isinstance(targets, Mapping) or not targets:
        form = "{scene: {validation: [words]}}"
        raise InputError(f"{at()}: {KEY} must be targets by name, such as {form}, not {shown(targets)}")
    for name, own in targets.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"{at(str(name))}: {KEY}: {shown(name)} is no name of a target, of which a folder is called: "
                "write letters, digits, dots, - and _"
            )
        if not isinstance(own, Mapping) or not own.get("validation"):
            raise InputError(
                f"{at(name)}: {KEY}.{name}.validation is missing: nets for a target are chosen by its words"
            )


def _elsewhere(
    common: Mapping[str, Any], targets: Mapping[str, Any], target: str, recipe: str
) -> dict[str, Any]:
    """The test sets of the other targets by their names, of which none may be that of another set."""
    found: dict[str, tuple[str, Any]] = {}
    mine: dict[str, Any] = {}
    for name, own in targets.items():
        try:
            tests = named_sets({**common, **own}.get("test"))
        except ValueError as error:
            raise InputError(f"{recipe}: {KEY}.{name}.test {error}") from None
        if not isinstance(tests, Mapping):
            continue  # told where this target is loaded
        mine = dict(tests) if name == target else mine
        for called, source in tests.items():
            if not isinstance(source, str | Mapping):
                continue  # so is this
            first, known = found.setdefault(called, (name, source))
            if known != source:
                raise InputError(
                    f"{recipe}: {KEY}: {first} and {name} both have a test set {called}, and they are "
                    "different sets; give them different names"
                )
    return {called: source for called, (_, source) in found.items() if called not in mine}
