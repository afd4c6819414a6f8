"""What the values of an experiment file may be: a rule and a sentence for each key. NNI gives few reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from autostr_nni.system.errors import InputError, shown

LOG_LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")
PLATFORMS = ("local", "remote", "openpai", "aml", "dlc", "kubeflow", "frameworkcontroller")
_SPREADS = ("uniform", "loguniform", "normal", "lognormal")
SPACE_TYPES = ("choice", "randint", *_SPREADS, *(f"q{spread}" for spread in _SPREADS))
LONGEST_NAME, LONGEST_TEXT = 200, 3_000  # characters

Rule = tuple[Callable[[Any], bool], str]  # what is right, and how a sentence says it


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= LONGEST_TEXT


def is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and least <= value < 2**31  # True is no number of trials


def seconds_of(value: Any) -> float | None:
    """Seconds of a duration as NNI writes it, `12h` or a number of seconds; None for what is none."""
    if type(value) is int:
        return float(value) if 0 < value < 2**31 else None
    written = (
        re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", value.lower()) if isinstance(value, str) else None
    )
    if written is None:
        return None
    return float(written[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[written[2]] or None


def is_indices(value: Any) -> bool:
    """GPU numbers: `0`, `0,2` or a list, none twice."""
    if isinstance(value, str):
        value = [int(part) if part.strip().isdecimal() else -1 for part in value.split(",")]
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(is_count(index, 0) for index in listed) and len(set(listed)) == len(listed)


TEXT: Rule = (is_text, "a text of one line")
DURATION: Rule = (
    lambda value: seconds_of(value) is not None,
    "a time, a number and s, m, h or d, such as 12h",
)
COUNT: Rule = (is_count, "a whole number of at least 1")
SWITCH: Rule = (lambda value: isinstance(value, bool), "true or false")
GPUS: Rule = (lambda value: is_count(value, 0), "a whole number of at least 0")
INDICES: Rule = (is_indices, "GPU numbers from 0, none twice, such as 0 or [0, 1]")


def one_of(words: tuple[str, ...]) -> Rule:
    return (lambda value: value in words, " or ".join(words))


OF_TRIALS: dict[str, Rule] = {  # which a training service may give anew
    "trialCommand": (is_text, "a text, such as python -m autostr_nni.trial --recipe FILE"),
    "trialCodeDirectory": TEXT,
    "trialGpuNumber": GPUS,
    "nniManagerIp": TEXT,
    "debug": SWITCH,
}
RULES: dict[str, Rule] = {
    **OF_TRIALS,
    "experimentName": TEXT,
    "experimentType": (lambda value: value == "hpo", "hpo (NNI's nas experiments are begun from Python)"),
    "searchSpaceFile": TEXT,
    "experimentWorkingDirectory": TEXT,
    "trialConcurrency": COUNT,
    "maxTrialNumber": COUNT,
    "maxExperimentDuration": DURATION,
    "maxTrialDuration": DURATION,
    "logLevel": one_of(LOG_LEVELS),
    "tunerGpuIndices": INDICES,
    "sharedStorage": (lambda value: isinstance(value, Mapping), "keys such as storageType"),
}
OF_GPUS: dict[str, Rule] = {"useActiveGpu": SWITCH, "maxTrialNumberPerGpu": COUNT, "gpuIndices": INDICES}
OF_MACHINES: dict[str, Rule] = {
    "host": TEXT,
    "port": (lambda value: is_count(value) and value < 65536, "from 1 to 65535"),
    "user": TEXT,
    "password": TEXT,
    "sshKeyFile": TEXT,
    "sshPassphrase": TEXT,
    "pythonPath": TEXT,
    **OF_GPUS,
}
OF_SERVICES: dict[str, dict[str, Rule]] = {
    "local": {"platform": TEXT, "reuseMode": SWITCH, **OF_TRIALS, **OF_GPUS},
    "remote": {
        "platform": TEXT,
        "reuseMode": SWITCH,
        **OF_TRIALS,
        "machineList": (lambda value: isinstance(value, list) and bool(value), "a list of machines"),
    },
}


def plain_key(key: Any) -> str:
    """A key as NNI compares it: without case and underscores."""
    return str(key).lower().replace("_", "")


def spelled(given: Any, keys: tuple[str, ...], place: str) -> dict[str, Any]:
    """``given`` under the right spelling of its keys. Raises InputError for one that is none of ``keys``."""
    if not isinstance(given, Mapping):
        raise InputError(f"{place} must hold keys such as {keys[0]}, not {shown(given)}")
    plain = {plain_key(key): key for key in keys}
    result = {}
    for key, value in given.items():
        right = plain.get(plain_key(key))
        if right is None or right in result:
            told = shown(key)[1:-1] if isinstance(key, str) else shown(key)
            if right is not None:
                raise InputError(f"{place}: {right} is given twice, also as {told}")
            near = get_close_matches(told, keys, n=1, cutoff=0.0)
            raise InputError(f"{place}: there is no key {told}; the nearest is {near[0]}")
        result[right] = value
    return result


def check(values: Mapping[str, Any], rules: Mapping[str, Rule], place: str) -> None:
    """Refuse the first value that breaks its rule; a key without a value counts as left out."""
    for key, (right, words) in rules.items():
        value = values.get(key)
        if value is None or right(value):
            continue
        near = (
            get_close_matches(str(value).lower(), words.split(" or "), n=1) if isinstance(value, str) else []
        )
        hint = f"; the nearest is {near[0]}" if near else ""
        raise InputError(f"{place}{key} must be {words}, not {shown(value)}{hint}")


def check_values(config: Mapping[str, Any], path: Path) -> None:
    """Refuse what NNI would stumble over late, or refuse without a word. Raises InputError, one sentence."""
    check(config, RULES, f"{path}: ")
    if len(config.get("experimentName") or "") > LONGEST_NAME:
        raise InputError(f"{path}: experimentName has over {LONGEST_NAME} characters; shorten it")
    if config.get("searchSpace") is not None:
        check_space(config["searchSpace"], f"{path}: searchSpace")


def check_space(space: Any, place: str) -> None:
    """Refuse a search space that is not of NNI's form; what is in it is the tuner's business."""
    if not isinstance(space, Mapping):
        raise InputError(f"{place} must hold parameters, such as step: {{_type: choice, _value: [a, b]}}")
    for name, spec in space.items():
        if not isinstance(name, str):
            raise InputError(f"{place}: the key {shown(name)} must be text; write it in quotes")
        if not isinstance(spec, Mapping) or spec.keys() != {"_type", "_value"}:
            raise InputError(
                f"{place}.{name} must be like {{_type: choice, _value: [a, b]}}, not {shown(spec)}"
            )
        check(spec, {"_type": one_of(SPACE_TYPES)}, f"{place}.{name}.")
        if not isinstance(spec["_value"], list) or not spec["_value"]:
            raise InputError(
                f"{place}.{name}._value must be a list with something in it, not {shown(spec['_value'])}"
            )


def checked_service(given: Any, path: Path) -> Any:
    """The training service, or the list of them, under the right spelling of its keys."""
    if isinstance(given, list) and given:
        return [checked_service(item, path) for item in given]
    platform = (
        next((v for k, v in given.items() if plain_key(k) == "platform"), None)
        if isinstance(given, Mapping)
        else None
    )
    if platform is None:
        raise InputError(f"{path}: trainingService must be like {{platform: local}}, not {shown(given)}")
    check({"platform": platform}, {"platform": one_of(PLATFORMS)}, f"{path}: trainingService.")
    rules = OF_SERVICES.get(platform)
    if rules is None:  # not of those that are tested here: NNI's own words
        return {"platform": platform, **{k: v for k, v in given.items() if plain_key(k) != "platform"}}
    service = spelled(given, tuple(rules), f"{path}: trainingService")
    check(service, rules, f"{path}: trainingService.")
    if service.get("reuseMode"):
        raise InputError(
            f"{path}: trainingService.reuseMode is not usable on platform {platform}; leave it out"
        )
    if platform == "remote":
        service["machineList"] = [
            _machine(item, f"{path}: trainingService.machineList[{index}]")
            for index, item in enumerate(
                service.get("machineList") or _missing(f"{path}: trainingService.machineList")
            )
        ]
    return service


def _machine(given: Any, place: str) -> dict[str, Any]:
    machine = spelled(given, tuple(OF_MACHINES), place)
    check(machine, OF_MACHINES, f"{place}.")
    for key in ("host", "user"):
        if machine.get(key) is None:
            _missing(f"{place}.{key}")
    return machine


def _missing(place: str) -> Any:
    raise InputError(f"{place} is missing")
