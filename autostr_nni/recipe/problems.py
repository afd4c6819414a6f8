"""Turning pydantic's findings into sentences that name key, value and the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from autostr_nni.recipe.yaml_file import Location

SHOWN = 5  # findings put into one message
Model = type[BaseModel]


def describe(
    error: ValidationError, raw: Any, model: Model, name: str, lines: Mapping[Location, int] | None = None
) -> str:
    """One message for all findings, each as `file:line: dotted.key …`. `raw` is what was validated."""
    found: list[str] = []
    for item in error.errors():
        if item["type"] == "too_short" and item["input"]:
            continue  # only because some of the values are wrong, which is told already
        location, sentence = _sentence(item, _location(item, raw), model)
        given = [location[:length] for length in range(len(location), 0, -1)]
        line = next((lines[part] for part in given if part in lines), None) if lines else None
        sentence = f"{name}: {sentence}" if line is None else f"{name}:{line}: {sentence}"
        if sentence not in found:
            found.append(sentence)
    rest = len(found) - SHOWN
    return "; ".join(found[:SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def _location(item: Any, raw: Any) -> Location:
    """The finding's location in the file: what pydantic adds for unions and dict keys is left out."""
    kept: list[str | int] = []
    for part in item["loc"]:
        if isinstance(raw, dict) and (part in raw or (item["type"] == "missing" and isinstance(part, str))):
            raw = raw.get(part)
        elif isinstance(raw, list | tuple) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            continue
        kept.append(part)
    return tuple(kept)


def _sentence(item: Any, location: Location, model: Model) -> tuple[Location, str]:
    """The finding in words, and the location it turned out to be about."""
    key, value, kind = _dotted(location), item["input"], item["type"]
    ctx = item.get("ctx", {})
    if kind == "extra_forbidden":
        return location, f"{key} is no key of a recipe{_nearest_key(location, model)}"
    if kind == "missing" and location and location[-1] == item["loc"][-1]:
        return location, f"{key} is missing"
    if kind == "value_error":
        return _own_check(str(ctx.get("error", item["msg"])), location, model)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return location, f"{key or 'the file'} must be a mapping of keys to values, not {_shown(value)}"
    if kind == "literal_error":
        nearest = _nearest_value(value, ctx["expected"])
        return location, f"{key} must be {ctx['expected']}, not {_shown(value)}{nearest}"
    return location, f"{key} must {_demand(kind, item, key)}, not {_shown(value)}"


def _own_check(text: str, location: Location, model: Model) -> tuple[Location, str]:
    """The words of a check of ours; a section's check starts with the key it is about: `points must …`."""
    first, _, rest = text.partition(" ")
    inner = tuple(first.removesuffix(":").split("."))
    owner = _field(model, (*location, *inner[:-1]))
    if isinstance(owner, type) and issubclass(owner, BaseModel) and inner[-1] in owner.model_fields:
        location = (*location, *inner)
        return location, f"{_dotted(location)}{':' if first.endswith(':') else ''} {rest}"
    return location, f"{_dotted(location)} {text}" if location else text


def _demand(kind: str, item: Any, key: str) -> str:
    """What pydantic asks for, to follow the word `must`."""
    own = {
        "tuple_type": "be a list",
        "int_type": "be a whole number",
        "float_type": "be a number",
        "bool_type": "be true or false",
        "missing": "have more values",
        "invalid_key": "have text for keys",
        "string_type": "be text (put quotes around it)",
        "string_pattern_mismatch": "be auto, cpu, cuda or one GPU such as cuda:0"
        if "device" in key
        else None,
    }.get(kind)
    if own is not None:
        return own
    ctx = item.get("ctx", {})
    if kind in ("too_short", "too_long"):
        limit = f"at least {ctx['min_length']}" if kind == "too_short" else f"at most {ctx['max_length']}"
        return f"have {limit} value{'' if limit.endswith(' 1') else 's'}"
    message: str = item["msg"].removeprefix("Input should ")
    return message.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")


def _dotted(location: Location) -> str:
    return ".".join(map(str, location))


def _field(model: Model, location: Location) -> Any:
    """The annotation of the key at a location (a section's is its class); None if there is no such key."""
    annotation: Any = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            annotation = None if field is None else field.annotation
        else:  # a mapping or a list: its values, where they are sections
            annotation = _section_in(annotation)
        if annotation is None:
            return None
    return annotation


def _section_in(annotation: Any) -> Any:
    """The section that a mapping, a list or one of several kinds of value may hold; None for none."""
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
        if (found := _section_in(part)) is not None:
            return found
    return None


def _nearest_key(location: Location, model: Model) -> str:
    """The nearest key of the same section; failing that, the same key in another one."""
    section = _field(model, location[:-1])
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        return ""
    prefix, wrong = location[:-1], str(location[-1])
    near = get_close_matches(wrong, list(section.model_fields), n=1, cutoff=0.6)
    if near:
        return f"; nearest is {_dotted((*prefix, near[0]))}"
    elsewhere = [key for key in _all_keys(model) if key.rsplit(".", 1)[-1] == wrong]
    if elsewhere:
        return f"; nearest is {elsewhere[0]}"
    return f"; {_dotted(prefix) or 'a recipe'} has {', '.join(section.model_fields)}"


def _all_keys(model: Model, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _all_keys(field.annotation, f"{prefix}{name}.")
    return keys


def _nearest_value(value: Any, expected: str) -> str:
    choices = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
    if str(value) in choices and not isinstance(value, str):
        return f'; put quotes around it: "{value}"'
    near = get_close_matches(str(value).lower(), choices, n=1, cutoff=0.4)
    return f"; nearest is {near[0]!r}" if near else ""


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
