"""The strategies that there are, by name: ours, and those of a user's own module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from autostr_nni.system import extensions
from autostr_nni.system.errors import InputError, shown

from .core import Book
from .halving import Halving
from .one_shot import OneShot
from .protocol import Strategy
from .random_search import RandomSearch
from .steps import LARGEST, STEPS
from .two_step import TwoStep

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe

Kind = TypeVar("Kind", bound=type[Book])

#: Ours. One of a user's own calls `register` in a module that the recipe names under `extensions`, or is
#: named by its class.
BUILT_IN: tuple[type[Book], ...] = (TwoStep, RandomSearch, Halving, OneShot)
_known: dict[str, type[Book]] = {kind.name: kind for kind in BUILT_IN}


@dataclass(frozen=True)
class Facts:
    """What a report, which never runs a user's code, has to know of a strategy (`core.Book`)."""

    label: str
    settings: tuple[str, ...] = ("search",)
    baseline: bool = False
    grows: bool = False

    @classmethod
    def of(cls, kind: type[Book]) -> Facts:
        """Those of a strategy."""
        return cls(kind.label or kind.name, kind.settings, kind.baseline, kind.grows)


def register(kind: Kind) -> Kind:
    """Make a strategy known by its name: a decorator of its class.

    Raises:
        InputError: it is no strategy, lacks an attribute, or its name is another's.
    """
    _check(kind)
    other = _known.get(kind.name)
    if other is not None and (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise InputError(
            f"strategy {kind.name} is there already, of {other.__module__}.{other.__qualname__}; "
            "use another name"
        )
    _known[kind.name] = kind
    return kind


def _check(kind: Any) -> None:
    if not inspect.isclass(kind) or not issubclass(kind, Book):
        raise InputError(f"{getattr(kind, '__name__', kind)} is no strategy: it must be a subclass of Book")
    name = kind.name
    if not isinstance(name, str) or re.fullmatch(r"[\w-]{1,40}", name) is None:
        raise InputError(
            f"strategy {kind.__name__}: its name, {shown(name)}, must be up to 40 letters, digits, dashes or "
            "underscores"
        )
    steps = kind.steps
    wrong = [step for step in steps if step not in STEPS] if isinstance(steps, tuple) else [steps]
    if wrong or not steps:
        raise InputError(
            f"strategy {name}: its steps must be a tuple out of {', '.join(STEPS)}, not {shown(steps)}"
        )


def known() -> list[str]:
    """The names that are registered."""
    return list(_known)


def find(name: str, code: str | Path | None = None) -> type[Book]:
    """A strategy by its name, or as `module:Class`, whose module may lie in the folder `code`.

    Raises InputError where there is none.
    """
    if name in _known:
        return _known[name]
    module, colon, attribute = name.partition(":")
    if colon:
        kind = getattr(extensions.load(module, code), attribute, None)
        if kind is None:
            raise InputError(f"strategy {name}: the module {module} has no class {attribute or '(no name)'}")
        _check(kind)
        if kind.name in _known and _known[kind.name] is not kind:
            raise InputError(f"strategy {name}: its name, {kind.name}, is another's; use another name")
        return kind  # type: ignore[no-any-return]
    near = get_close_matches(name, known(), n=1, cutoff=0.3)
    hint = f"; nearest is {near[0]!r}" if near else ""
    raise InputError(
        f"there is no strategy {name!r}, there are {' and '.join(known())}{hint}; one of your own is "
        "named as module:Class"
    )


def build(name: str, recipe: Recipe, code: str | Path | None = None, nets: int | None = None) -> Strategy:
    """The strategy of a name (`find`) over a recipe; `nets` are what one that grows may have in all."""
    kind = find(name, code)
    return kind.from_recipe(recipe if nets is None else kind.grown(recipe, nets))


def reference(strategy: Strategy) -> tuple[str, str | None]:
    """What `find` takes for a strategy: its name, or its class and the folder of its module."""
    kind = type(strategy)
    if _known.get(strategy.name) is kind:
        return strategy.name, None
    try:
        folder = str(Path(inspect.getfile(kind)).resolve().parent)
    except (TypeError, OSError):  # of a session that is typed
        folder = None
    return f"{kind.__module__}:{kind.__qualname__}", folder


def record(strategy: Strategy) -> dict[str, Any]:
    """What a search keeps of its strategy, for `recorded` and to be gone on with."""
    name, code = reference(strategy)
    facts = None
    if isinstance(strategy, Book):
        facts = asdict(Facts.of(type(strategy)))
    return {"strategy": name, "code": code, "facts": facts}


def recorded(name: str, kept: Mapping[str, Any]) -> Facts | None:
    """The facts of a search's strategy, from its record or its name; None where neither tells them."""
    facts = kept.get("facts")
    if isinstance(facts, Mapping) and isinstance(facts.get("label"), str):
        settings = facts.get("settings")
        listed = settings if isinstance(settings, list) else ["search"]
        own = tuple(key for key in listed if isinstance(key, str))
        return Facts(facts["label"], own, facts.get("baseline") is True, facts.get("grows") is True)
    kind = _known.get(name)
    return None if kind is None else Facts.of(kind)


def told_by_trials(ids: Iterable[str]) -> str:
    """The strategy of a search of version 0.1, which did not record it, told from the ids of its trials."""
    for id in ids:
        if id == LARGEST or id.startswith(f"{RandomSearch.name}-"):
            return RandomSearch.name
        if id.startswith(f"{Halving.name}-"):
            return Halving.name
    return TwoStep.name
