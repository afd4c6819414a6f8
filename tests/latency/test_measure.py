"""A measurement over a runtime whose times are known: what it finds, and that a stopped one goes on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import resource
from pathlib import Path
from typing import Any

import pytest
from known_runtime import CONSTANT, STEM, Known, true_ns

from autostr_nni.latency import measure as measuring
from autostr_nni.latency.kept_rounds import KeptRounds
from autostr_nni.latency.measure import measure
from autostr_nni.latency.settings import Settings
from autostr_nni.search_spaces.latency import blocks_of, read_latency_table, unfinished
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import NoSpace

SETTINGS = Settings()


def rounds_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in unfinished(file).read_text().splitlines()[1:]]


def ignore(line: str) -> None:
    """Nobody reads the progress."""


def test_the_table_has_what_blocks_take(space: SearchSpace, known: Known, tmp_path: Path) -> None:
    file, said = tmp_path / "table.json", list[str]()
    content = measure(space, SETTINGS, file, 0.0, said.append)
    table = read_latency_table(file)
    assert table.stem_ns == STEM and table.device == SETTINGS.device and table.batch == 1
    assert dict(table.blocks) == {block: true_ns(block) for block in blocks_of(space)}
    assert table.constant_ns == CONSTANT
    assert content["check"]["fit"] and content["check"]["median_error"] < 0.001
    assert len(content["check"]["nets"]) == 20 and len(content["constant_from"]) == 10
    checked = {net["architecture"] for net in content["check"]["nets"]}
    assert len(checked) == 20 and not checked & {net["architecture"] for net in content["constant_from"]}
    assert content["rounds"] == 3 == len(said) and abs(content["drift"]) < 0.01
    assert content == json.loads(file.read_text())
    assert content["machine"]["torch"] and content["machine"]["cpu"]
    assert not unfinished(file).exists()


class Stopped(Exception):
    """Stands for whatever ends a process."""


def stop_at(known: Known, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = known.whole

    def stopping(net: Any) -> list[int]:
        if known.passes > passes:
            raise Stopped
        return whole(net)

    monkeypatch.setattr(known, "whole", stopping)


def test_a_disk_that_is_full_is_told_as_that(
    space: SearchSpace, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is still to be written when the file is closed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = KeptRounds.__init__

    def full(self: KeptRounds, *given: Any) -> None:
        kept(self, *given)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.path.stat().st_size + 9, before[1]))

    monkeypatch.setattr(KeptRounds, "__init__", full)
    try:
        with pytest.raises(NoSpace, match="nothing more can be written there"):
            measure(space, SETTINGS, tmp_path / "table.json", 0.0, ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_two_at_a_time(space: SearchSpace, known: Known, tmp_path: Path) -> None:
    """They would measure each other, and mix their rounds."""
    refused = []

    def begin_another(line: str) -> None:
        with pytest.raises(InputError, match="table.json: is being measured by another process") as caught:
            measure(space, SETTINGS, tmp_path / "table.json", 0.0, ignore)
        refused.append(caught)

    content = measure(space, SETTINGS, tmp_path / "table.json", 0.0, begin_another)
    assert content["rounds"] == len(refused) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_a_stopped_measurement_goes_on(
    space: SearchSpace, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.json"
    with monkeypatch.context() as patch:
        stop_at(known, 130, patch)
        with pytest.raises(Stopped):
            measure(space, SETTINGS, file, 0.0, ignore)
    before = rounds_of(file)
    assert 1 <= len(before) <= 2 and not file.exists()
    with pytest.raises(InputError, match="is not measured to its end"):
        read_latency_table(file)
    with open(unfinished(file), "a") as kept:  # killed while it wrote a line
        kept.write(json.dumps(before[0])[:40])
    said: list[str] = []
    content = measure(space, SETTINGS, file, 0.0, said.append)
    assert (
        said[0] == f"going on after {len(before)} round{'s' * (len(before) > 1)} kept in {unfinished(file)}"
    )
    assert content["rounds"] == 3 == len(before) + len(said) - 1
    read_latency_table(file)


def test_time_that_is_up_ends_the_rounds(
    space: SearchSpace, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 30)  # asked twice a round
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    content = measure(space, SETTINGS, tmp_path / "table.json", 3.2, ignore)
    assert content["rounds"] == 6 and content["seconds"] == 180


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (
            {"settings": Settings(batch=2)},
            "a measurement of other settings: batch was 1 and is 2; remove the file",
        ),
        (
            {"operations": ("k3e1", "skip", "k5e6")},
            "a measurement of another space: operations was ['k3e1', 'k5e3', 'skip'] and is",
        ),
    ],
)
def test_a_measurement_of_something_else_is_not_gone_on_with(
    space: SearchSpace,
    known: Known,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: dict[str, Any],
    told: str,
) -> None:
    file = tmp_path / "table.json"
    stop_at(known, 130, monkeypatch)
    with pytest.raises(Stopped):
        measure(space, SETTINGS, file, 0.0, ignore)
    changed = dataclasses.replace(space, operations=other.get("operations", space.operations))
    with pytest.raises(InputError) as error:
        measure(changed, other.get("settings", SETTINGS), file, 0.0, ignore)
    assert told in str(error.value) and str(unfinished(file)) in str(error.value)
    assert rounds_of(file)  # nothing is lost


def test_a_file_of_that_name_that_is_no_measurement(space: SearchSpace, known: Known, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    unfinished(file).write_text("somebody's notes")
    with pytest.raises(InputError, match="is no measurement of latency; name another table"):
        measure(space, SETTINGS, file, 0.0, ignore)
    assert unfinished(file).read_text() == "somebody's notes"


def test_nets_that_the_sum_does_not_predict(space: SearchSpace, known: Known, tmp_path: Path) -> None:
    known.unforeseen = 3
    file = tmp_path / "table.json"
    content = measure(space, SETTINGS, file, 0.0, ignore)
    assert not content["check"]["fit"]
    with pytest.raises(InputError, match=r"predicts whole nets with a median error of \d+%, above 15%"):
        read_latency_table(file)


def test_a_machine_that_grows_slow(space: SearchSpace, known: Known, tmp_path: Path) -> None:
    each = iter(range(10**9))
    known.speed = lambda: 1 + next(each) / 10_000
    content = measure(space, SETTINGS, tmp_path / "table.json", 0.0, ignore)
    assert content["drift"] > 0.05
