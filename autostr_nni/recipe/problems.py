"""Turning pydantic's findings into sentences that name key, value and the nearest right one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from autostr_nni.recipe.yaml_file import Location

SHOWN = 5  # findings put into one message


def describe(
    error: ValidationError,
    raw: Any,
    model: type[BaseModel],
    name: str,
    lines: dict[Location, int] | None = None,
) -> str:
    """One message for all findings, each as `file:line: dotted.key …`. `raw` is what was validated."""
    found: list[str] = []
    for item in error.errors():
        location = _location(item, raw)
        line = (
            next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
            if (lines)
            else None
        )
        where = name if line is None else f"{name}:{line}"
        sentence = f"{where}: {_sentence(item, location, raw, model)}"
        if sentence not in found:
            found.append(sentence)
    rest = len(found) - SHOWN
    return "; ".join(found[:SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def _location(item: Any, raw: Any) -> Location:
    """The finding's location in the file: what pydantic adds for unions and dict keys is left out."""
    kept: list[str | int] = []
    for part in item["loc"]:
        if isinstance(raw, dict) and (part in raw or item["type"] == "missing"):
            raw = raw.get(part)
        elif isinstance(raw, list | tuple) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            continue
        kept.append(part)
    return tuple(kept)


def _sentence(item: Any, location: Location, raw: Any, model: type[BaseModel]) -> str:
    key = ".".join(map(str, location))
    value, kind, ctx = item["input"], item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{key} is no key of a recipe{_nearest_key(location, model)}"
    if kind == "missing":
        return f"{key} is missing"
    if kind == "value_error":
        text = str(ctx.get("error", item["msg"]))
        # A section's own check names its key itself; a value's check starts with a verb.
        return (
            f"{key} {text}"
            if text.startswith(("must ", "is ", "has ", "names ", "needs "))
            else (f"{key}: {text}" if key else text)
        )
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key or 'the file'} must be a mapping of keys to values, not {_shown(value)}"
    if kind == "literal_error":
        return f"{key} must be {ctx['expected']}, not {_shown(value)}{_nearest_value(value, ctx['expected'])}"
    if kind == "string_type" and not isinstance(value, dict | list):
        return f"{key} must be text, not {_shown(value)}; put quotes around it"
    message = item["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    message = message.removeprefix("a valid ").replace("integer", "whole number")
    if kind == "string_pattern_mismatch":
        message = {"training.device": "auto, cpu, cuda or cuda:0"}.get(key, message)
    return f"{key} must be {message}, not {_shown(value)}"


def _nearest_key(location: Location, model: type[BaseModel]) -> str:
    """The nearest key of the same section; failing that, the same key in another one."""
    section: Any = model
    for part in location[:-1]:
        field = section.model_fields.get(part)
        section = field.annotation if field is not None else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return ""
    prefix = ".".join(map(str, location[:-1]))
    wrong = str(location[-1])
    near = get_close_matches(wrong, list(section.model_fields), n=1, cutoff=0.6)
    if near:
        return f"; nearest is {prefix}.{near[0]}" if prefix else f"; nearest is {near[0]}"
    elsewhere = [key for key in _all_keys(model) if key.rsplit(".", 1)[-1] == wrong]
    if elsewhere:
        return f"; nearest is {elsewhere[0]}"
    return f"; {prefix or 'a recipe'} has {', '.join(section.model_fields)}"


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
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
