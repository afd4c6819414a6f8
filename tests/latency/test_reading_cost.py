"""What reading costs, part by part: `autostr describe --latency`, and what is around a net."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.latency import reading
from autostr_nni.latency.settings import Settings
from autostr_nni.models.decoder_step import Stepping
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.reading.checkpoint import Trained, save_trained
from autostr_nni.recipe import load_recipe
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace

PARTS = ["rectifier", "backbone", "encoder", "decoder"]
NET = "ABABB:k3e1,skip,k5e3,k3e1,k3e1,k5e3"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECONDS", 0.0)
    monkeypatch.setattr(reading, "LEAST", 2)


@pytest.fixture
def recipe(tiny_search: Callable[..., Path], tmp_path: Path) -> str:
    tiny_search(tmp_path)
    return str(tmp_path / "recipe.yml")


def net_of(recipe: str) -> reading.Net:
    loaded = load_recipe(recipe)
    space = loaded.space()
    return reading.Net(
        space.default_architecture(space.typical_paths()[0], "k3e1"), space, loaded.model, 11, 2
    )


def test_parts_and_shares(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    options = ["--recipe", recipe, "--latency", "--batch", "3"]
    assert main(["describe", NET, *options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "recognizer" not in told
    timed = told["latency"]
    assert timed["settings"] == {"runtime": "torch-cpu", "threads": 1, "batch": 3, "precision": "float32"}
    assert timed["rounds"] == 2 and timed["machine"]["torch"] == torch.__version__.partition("+")[0]
    (net,) = timed["nets"]
    assert list(net) == ["attention", "ctc"]
    for found in net.values():
        assert [part["name"] for part in found["parts"]] == PARTS
        assert found["ms"] == pytest.approx(sum(part["ms"] for part in found["parts"]))
        assert sum(part["share"] for part in found["parts"]) == pytest.approx(1)
        assert all(part["ms"] > 0 for part in found["parts"])
    shared = [[part["ms"] for part in found["parts"][:3]] for found in net.values()]
    assert shared[0] == shared[1]
    assert main(["describe", NET, *options]) == 0
    said = capsys.readouterr().out
    assert "Reading words of 8 characters, milliseconds (torch-cpu, 1 thread, batch 3, float32; " in said
    assert [line.split()[0] for line in said.splitlines()[-6:]] == ["part", *PARTS, "recognizer"]
    assert said.splitlines()[-6].split() == ["part", "attention", "share", "ctc", "share"]
    assert torch.get_num_threads() == threads


def test_what_is_timed_is_what_reading_does(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight characters and their end are a step each, and a batch is split as reading splits it."""
    words: list[int] = []
    step = Stepping.__call__

    def counted(self: Stepping, symbols: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        words.append(len(symbols))
        return step(self, symbols, state)

    monkeypatch.setattr(Stepping, "__call__", counted)
    net = net_of(recipe)
    (straighten, look, encode, attend, classify), images = reading.steps_of(net, Settings(batch=600))
    assert [len(part) for part in images] == [200, 200, 200]  # of 256 at most: AT_ONCE numbers of a stem
    features = encode(look(straighten(images)))
    assert features.shape == (600, net.model.steps, 16) and not words
    assert attend(features) is features and words == [600] * 9
    assert classify(features) is features and words == [600] * 9


def test_nets_take_turns(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slows down meets all alike; medians are of the rounds."""
    order: list[int] = []

    class Clock(reading.Clock):
        def passes(self, steps: Any, x: Any, count: int) -> list[list[int]]:
            order.append(x)
            return [[1_000_000 * (x + 1)] * 4 + [len(order) * 1_000_000]] * count

    monkeypatch.setattr(reading, "Clock", Clock)
    numbers = iter(range(2))
    monkeypatch.setattr(reading, "steps_of", lambda net, settings: ([], next(numbers)))
    monkeypatch.setattr(reading, "LEAST", 3)
    timed = reading.reading_times([net_of(recipe)] * 2, Settings())
    assert order == [0, 1, 0, 1, 0, 1] and timed["rounds"] == 3
    first, second = timed["nets"]
    assert first["attention"]["ms"] == 4 and second["attention"]["ms"] == 8
    assert [part["share"] for part in first["attention"]["parts"]] == [0.25] * 4
    assert first["ctc"]["parts"][3]["ms"] == 3 and second["ctc"]["parts"][3]["ms"] == 4


def test_options_that_do_not_go_together(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in (
        (["--threads", "1"], "--threads goes with --latency"),
        (["--batch", "2"], "--batch goes with --latency"),
        (["--runtime", "torch-cpu"], "--runtime goes with --latency"),
        (["--latency", "--threads", "0"], "--threads: 0 is too few"),
        (["--latency", "--batch", "0"], "--batch: 0 is too few"),
    ):
        assert main(["describe", NET, "--recipe", recipe, *options]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1


def test_a_nets_own_recipe_is_around_it(
    tiny_search: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the paper's rectifier and decoder, which are larger than the whole net."""
    tiny_search(tmp_path)
    recipe, out = str(tmp_path / "recipe.yml"), tmp_path / "net"
    loaded, space = load_recipe(recipe), load_recipe(recipe).space()
    architecture = Architecture.parse(NET, space)
    net = build_recognizer(architecture, space, loaded.model, Charset.named("digits").classes)
    out.mkdir()
    save_trained(out / "best.ckpt", Trained(net, loaded, architecture, space, {}))

    def parts(*named: str) -> list[dict[str, Any]]:
        assert main(["describe", *named, "--recognizer", "--json"]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["recognizer"]
        return found

    expected = parts(NET, "--recipe", recipe)
    assert parts(str(out)) == expected
    assert expected[0]["macs"] == 0 and expected[3]["params"] < 10_000


def test_the_paper_around_another_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that brings a space of smaller images: the rectifier gives it images of that size."""
    space = SearchSpace(width=48, out_width=12)
    architecture = space.default_architecture(space.typical_paths()[0], "k3e1")
    (tmp_path / "net.json").write_text(architecture.to_json(space))
    assert main(["describe", str(tmp_path / "net.json"), "--recognizer", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    backbone = next(part for part in told["recognizer"] if part["name"] == "backbone")
    assert told["image"] == [32, 48] and backbone["macs"] == told["conv_macs"]


@pytest.mark.slow("exports nets of both translators")
@pytest.mark.parametrize("rectifier", [False, True])
def test_exported_nets_by_their_profile(
    tiny_search: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], rectifier: bool
) -> None:
    """Every node of the file is of the part that its modules tell. A profile is in whole microseconds."""
    pytest.importorskip("onnxruntime")
    import onnx

    from autostr_nni.latency.onnx_reading import model_of

    sizes = {"image": [32, 48], "localization": [8, 16], "points": 6, "channels": [4, 4], "features": 8}
    tiny_search(tmp_path, model={"rectifier": {"enabled": rectifier, **sizes}})
    recipe = str(tmp_path / "recipe.yml")
    graph = onnx.load_from_string(model_of(net_of(recipe), "attention")).graph
    kinds = [(node.name[: len("part0")], node.op_type) for node in graph.node]
    assert [part for part, _ in kinds] == sorted(part for part, _ in kinds)
    assert {part for part, kind in kinds if kind == "Conv"} == ({"part0"} if rectifier else set()) | {"part1"}
    assert {part for part, kind in kinds if kind == "LSTM"} == {"part2"}
    assert {part for part, kind in kinds if kind in ("Softmax", "ArgMax", "TopK")} == {"part3"}
    options = ["--recipe", recipe, "--latency", "--runtime", "onnxruntime-cpu", "--batch", "2"]
    assert main(["describe", NET, *options, "--json"]) == 0
    timed = json.loads(capsys.readouterr().out)["latency"]
    for found in timed["nets"][0].values():
        assert [part["name"] for part in found["parts"]] == PARTS
        assert found["parts"][1]["ms"] > 0 and found["parts"][2]["ms"] > 0
