"""Trials of every step on a GPU, and what they leave for machines without one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import evaluate_sets
from autostr_nni.reading.memory import OutOfMemory
from autostr_nni.runs.layout import BEST
from autostr_nni.runs.records import read_metrics
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log

STEPS = ("path", "operators", "supernet", "train")


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder)]


@pytest.mark.parametrize(
    ("device", "step"),
    [("cpu", "train"), *(pytest.param("cuda", step, marks=pytest.mark.gpu) for step in STEPS)],
    indirect=["device"],
)
def test_killed_and_resumed_it_goes_on(
    tmp_path: Path, make_recipe: Any, finished: Any, steps: Any, device: str, step: str
) -> None:
    proposal = steps[step]
    recipe = make_recipe({"training.device": device})
    with pytest.raises(Killed):
        run_proposal(proposal, recipe, tmp_path, Log(stop_at=1))
    first = read_metrics(tmp_path)[0]
    log = Log()
    run_proposal(proposal, recipe, tmp_path, log)
    assert [metrics["epoch"] for metrics, final in log.reports if not final] == [1, 2]
    assert read_metrics(tmp_path)[0] == first
    whole = finished(proposal)[0]  # on the CPU, and never stopped
    assert [line["images_seen"] for line in read_metrics(tmp_path)] == [
        line["images_seen"] for line in read_metrics(whole)
    ]
    if step in ("path", "train"):  # a supernet's draws follow from the last bits of its losses
        assert losses(tmp_path) == pytest.approx(losses(whole), rel=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_begun_on_a_gpu_it_ends_on_the_cpu(tmp_path: Path, make_recipe: Any, proposal: Any) -> None:
    with pytest.raises(Killed):
        run_proposal(proposal, make_recipe({"training.device": "cuda"}), tmp_path, Log(stop_at=1))
    log = Log()
    run_proposal(proposal, make_recipe(), tmp_path, log)
    assert [metrics["epoch"] for metrics, final in log.reports if not final] == [1, 2]  # the first is kept
    assert all(math.isfinite(loss) for loss in losses(tmp_path))


@pytest.fixture
def trained(tmp_path: Path, make_recipe: Any, finished: Any, steps: Any, device: str) -> Path:
    """The folder of a net that was trained on the device."""
    if device == "cpu":
        return Path(finished(steps["train"])[0])
    run_proposal(steps["train"], make_recipe({"training.device": device}), tmp_path, Log())
    return tmp_path


def test_a_checkpoint_reads_the_same_on_the_cpu(trained: Path, device: str) -> None:
    content = torch.load(trained / BEST, weights_only=True, map_location="cpu")
    assert {value.device.type for value in content["weights"].values()} == {"cpu"}
    rows, texts = [], []
    for place in (device, "cpu"):
        pairs: list[Any] = []
        net = load_trained(trained / BEST, place)
        assert net.recognizer.device.type == place
        rows.append(
            evaluate_sets(net, look=lambda name, words, reader, kept=pairs: kept.extend(reader.pairs))
        )
        texts.append(pairs)
    assert texts[0] == texts[1] and len(texts[0]) > 3
    assert rows[0]["plain"]["loss"] == pytest.approx(rows[1]["plain"]["loss"], rel=1e-3)


def test_evaluate_read_and_export(
    trained: Path, tmp_path: Path, sets: Path, make_words: Any, device: str, capsys: Any
) -> None:
    told = {}
    image = tmp_path / "word.png"
    image.write_bytes(make_words(1, 5)[0][0])
    for place in (device, "cpu"):
        assert main(["evaluate", str(trained), str(sets / "test"), "--device", place, "--json"]) == 0
        evaluated = capsys.readouterr().out
        assert main(["read", str(trained / BEST), str(image), "--device", place, "--json"]) == 0
        told[place] = evaluated, json.loads(capsys.readouterr().out)["text"]
    assert told[device][1] == told["cpu"][1]
    file = tmp_path / "net.pt"
    assert main(["export", str(trained), str(file), "--check", str(sets / "test"), "--words", "4"]) == 0
    assert file.exists() and "checked against PyTorch" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
@pytest.mark.parametrize("step", ["path", "operators"])
def test_out_of_memory_names_the_batch(tmp_path: Path, make_recipe: Any, steps: Any, step: str) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        with pytest.raises(OutOfMemory) as error:
            run_proposal(steps[step], make_recipe({"training.device": "cuda"}), tmp_path, Log())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert str(error.value) == "out of memory on the GPU: write training.batch_size: 4 (it is 8)"
