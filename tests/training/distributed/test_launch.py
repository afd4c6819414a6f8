"""Several processes that share every batch end like one process that has all of it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import SequentialSampler

from autostr_nni.data.loader import EpochSampler
from autostr_nni.runs.layout import BEST, LAST
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.system.errors import InputError, TrainingFailed
from autostr_nni.training.batches import JointBatches
from autostr_nni.training.device_setup import devices_of
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.distributed.launch import run_in_team
from autostr_nni.training.run_trial import run_proposal


@pytest.fixture(autouse=True)
def _found_by_the_processes(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


@pytest.mark.slow("trains in processes that each import torch")
def test_an_operator_search_shared_by_two_is_that_of_one(tmp_path, make_recipe):
    """Parameters, weights and running statistics, over steps of both kinds; parts of a batch are uneven."""
    from team_work import operator_steps

    recipe = make_recipe({"search.operators.epoch_images": 37, "search.operators.arch_every": 1})
    runs = [
        run_in_team(partial(operator_steps, recipe, tmp_path / str(size), torch.float64), size, False, silent)
        for size in (1, 2)
    ]
    one, two = runs
    assert torch.equal(one["generator"], two["generator"])
    assert two["sums"][0] == two["sums"][1], "the processes have drifted apart"
    assert len(one["gradients"]) == len(two["gradients"]) == 2 * 5
    for a, b in zip(one["gradients"], two["gradients"], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    for (a, figures), (b, others) in zip(one["states"], two["states"], strict=True):
        for key in a:
            torch.testing.assert_close(b[key], a[key], rtol=1e-9, atol=1e-9, msg=key)
        assert {key: others[key] for key in figures} == pytest.approx(
            {**figures, "seconds": others["seconds"]}
        )
    (first, _), (last, _) = one["states"][0], one["states"][-1]
    moved = {key for key in first if not torch.equal(first[key], last[key])}
    drawn = {key for key in first if ".blocks." in key}  # by chance, some of them never
    assert first.keys() - moved <= drawn
    layer = re.compile(r".*\.blocks\.\d+")
    assert {layer.match(key)[0] for key in moved & drawn} == {layer.match(key)[0] for key in drawn}


@pytest.mark.slow("trains in processes that each import torch")
def test_a_trial_of_two_processes_leaves_what_one_leaves(tmp_path, make_recipe, steps, finished):
    folder, reports = tmp_path / "two", []
    recipe = make_recipe({"training.devices": 2, "data.workers": 1})
    run_proposal(steps["train"], recipe, folder, lambda *report: reports.append(report))
    expected, alone = finished(steps["train"])
    assert {path.name for path in folder.iterdir()} == {path.name for path in expected.iterdir()}
    assert [final for _, final in reports] == [final for _, final in alone]
    timeless = [{**metrics, "seconds": 0} for metrics, _ in reports]
    for metrics, (other, _) in zip(timeless, alone, strict=True):
        assert metrics == pytest.approx({**other, "seconds": 0}, abs=1e-4)
    assert [metrics for metrics, final in reports if not final] == read_metrics(folder)
    result, other = read_result(folder), read_result(expected)
    assert result["test"]["plain"].pop("skipped") == other["test"]["plain"].pop("skipped")
    assert result["test"]["plain"] == pytest.approx(other["test"]["plain"], abs=1e-4)
    for name, key in ((LAST, "state_dict"), (BEST, "weights")):
        a, b = (torch.load(place / name, weights_only=True)[key] for place in (folder, expected))
        assert a.keys() == b.keys()  # one device reads what two have written
        assert all(torch.allclose(a[k], b[k], atol=1e-3) for k in a)


def test_parts_make_up_the_batches():
    def parts(size: int, first: int = 0) -> list[list[list[int]]]:
        sampler = EpochSampler(23, 21, seed=3, epoch=2)
        return [list(JointBatches(sampler, 8, Team(rank, size), first)) for rank in range(size)]

    (whole,) = parts(1)
    assert [len(batch) for batch in whole] == [8, 8, 5]
    for step, (a, b, c) in enumerate(zip(*parts(3), strict=True)):
        assert not set(a) & set(b) and sorted([*a, *b, *c]) == sorted(whole[step])
        assert max(map(len, (a, b, c))) - min(map(len, (a, b, c))) <= 1
    assert parts(1, first=2) == [whole[2:]] and parts(3, first=1) == [part[1:] for part in parts(3)]
    batches = JointBatches(SequentialSampler(range(21)), 8, ALONE, 1)
    assert len(batches) == len(list(batches)) == 2


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("input", InputError, "^the reason$"),
        ("training", TrainingFailed, "^the reason$"),
        ("other", RuntimeError, "^KeyError: 'the reason'$"),
        ("killed", RuntimeError, "device 1 is killed by signal"),
    ],
)
def test_the_first_that_fails_ends_all(how, error, message):
    import team_light

    before = psutil.Process().children(recursive=True)  # of other tests
    with pytest.raises(error, match=message) as caught:
        run_in_team(partial(team_light.fail, how, 1), 2, False, silent)
    assert caught.type is error
    assert set(psutil.Process().children(recursive=True)) <= set(before)


def test_the_leader_alone_is_heard(capfd):
    import team_light

    reports = []
    processes = run_in_team(team_light.ids, 2, False, lambda *report: reports.append(report))
    assert reports == [({"rank": 0}, False)]
    assert capfd.readouterr().out == "printed by 0\n"
    assert len(set(processes)) == 2 and not any(map(psutil.pid_exists, processes))


def test_processes_end_with_the_one_that_started_them(tmp_path):
    code = (
        "import sys, team_light; from functools import partial; from pathlib import Path\n"
        "from autostr_nni.training.distributed.launch import run_in_team\n"
        "run_in_team(partial(team_light.waits, Path(sys.argv[1])), 2, False, print)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len([path for path in tmp_path.iterdir() if path.read_text()]) < 2:
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.05)
    members = [psutil.Process(int(path.read_text())) for path in tmp_path.iterdir()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs(members, timeout=10)[1] == []


def test_devices_that_are_not_there_or_too_many(tmp_path, make_recipe, steps):
    assert devices_of(make_recipe({"training.devices": "auto"}).training) == (1, False)
    recipe = make_recipe({"training.devices": 3, "search.operators.batch_size": 2})
    with pytest.raises(InputError, match=r"3 devices cannot share .* search\.operators\.batch_size: 2"):
        run_proposal(steps["operators"], recipe, tmp_path, silent)
