"""Reading YAML strictly: no key twice, `1e-6` is a number, and every key's line is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.text_files import read_text

Location = tuple[str | int, ...]

#: Values that a file may have, each counted as often as an alias (`*name`) repeats it.
MOST_VALUES = 20_000
DEEPEST = 30  # lists and mappings within each other


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, except that exponents need no dot and no sign."""


_Loader.yaml_implicit_resolvers = {
    key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> tuple[Any, dict[Location, int]]:
    """The file's content, and the line (from 1) of every key and list item by its location.

    Raises InputError where the file is missing, is over 1 MB, is not UTF-8, is no YAML, gives a key twice or
    has more in it than any such file (`MOST_VALUES`, `DEEPEST`).
    """
    text = read_text(path)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Location, int] = {}
        if node is not None:
            _walk(node, (), lines, path)
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = error.problem or error.context or "cannot be read"
        raise InputError(f"{path}{line}: is not valid YAML: {problem}") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; no such file needs over {DEEPEST} levels") from None
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        # PyYAML's own, and whatever its making of dates and numbers raises
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: is not valid YAML: {first[:200]}") from None
    finally:
        if loader is not None:
            loader.dispose()


def _walk(node: yaml.Node, location: Location, lines: dict[Location, int], path: Path) -> None:
    """Note the lines below `node`, and refuse a key given twice (PyYAML would keep the last in silence).

    Aliases are followed, so that a small file that stands for millions of values is refused here.
    """
    if len(lines) > MOST_VALUES:
        raise InputError(f"{path}: has more than {MOST_VALUES} values; a recipe needs some dozens")
    if len(location) > DEEPEST:
        raise InputError(f"{path}: is nested too deeply; no such file needs over {DEEPEST} levels")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            here = (*location, key.value if isinstance(key, yaml.ScalarNode) else f"? on line {line}")
            if here in lines:
                dotted = ".".join(map(str, here))
                dotted = shown(dotted, 80)[1:-1]
                raise InputError(f"{path}:{line}: {dotted} is given twice, first on line {lines[here]}")
            lines[here] = line
            _walk(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*location, index)
            lines[here] = value.start_mark.line + 1
            _walk(value, here, lines, path)
