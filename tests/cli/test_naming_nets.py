"""Where a net is wanted: a checkpoint, a trial, a search by folder or id; `~` and odd names anywhere."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autostr_nni import strategies
from autostr_nni.cli.commands.search import next_commands
from autostr_nni.cli.main import build_parser, main
from autostr_nni.inprocess import run
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe

ARCHITECTURE = "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1"
Report = Callable[[dict[str, Any], bool], None]


@pytest.fixture
def search(
    tmp_path: Path, trained: Path, shade_recipe: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A random search in runs/mine of the folder that the command runs in; its trials were trained before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    recipe = load_recipe(shade_recipe(tmp_path))

    def run(parameters: dict[str, Any], recipe: Any, place: Path, report: Report) -> dict[str, Any]:
        shutil.copytree(trained, place, dirs_exist_ok=True)
        result = json.loads((trained / "result.json").read_text())
        result["metrics"]["default"] /= 1 + place.name.endswith("2")  # the first is the better one
        (place / "result.json").write_text(json.dumps({"parameters": parameters, **result}))
        metrics: dict[str, Any] = result["metrics"]
        return metrics

    run_search(strategies.build("random", recipe), recipe, "runs/mine", run, log=lambda line: None)
    return Path("runs/mine")


def output(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(argv) == status
    shown = capsys.readouterr()
    return shown.out, shown.err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    out, err = output(capsys, *argv, status=2)
    assert err.startswith("autostr: error: ") and err.count("\n") == 1
    return err


def as_experiment(search: Path, id: str) -> None:
    """Make an NNI experiment's folder of a search, which is known by its id alone."""
    home = Path.home() / "nni-experiments"
    shutil.copytree(search / "trials", home / id / "environments" / "local-env" / "trials")
    (home / id / "db").mkdir()
    (home / id / "db" / "nni.sqlite").touch()


@pytest.mark.parametrize("named", ["runs/mine", "abcd1234", "runs/mine/trials/random-1", "best.ckpt"])
def test_a_net_by_any_of_its_names(
    search: Path, shades: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    as_experiment(search, "abcd1234")
    trial = search / "trials" / "random-1"
    shutil.copy(trial / "best.ckpt", "best.ckpt")
    direct = json.loads(
        output(capsys, "evaluate", str(trial / "best.ckpt"), str(shades / "test"), "--json")[0]
    )
    out, told = output(capsys, "evaluate", named, str(shades / "test"), "--json")
    assert json.loads(out)["sets"] == direct["sets"]
    is_search = named in ("runs/mine", "abcd1234")
    assert ("the best net of " in told and "random-1/best.ckpt" in told) == is_search
    # Without sets it is scored on those of its own recipe.
    own = json.loads(output(capsys, "evaluate", named, "--json")[0])
    assert set(own["sets"]) == {"numbers", "shades", "all"}
    assert own["sets"]["shades"] == direct["sets"]["test"]
    assert json.loads(output(capsys, "describe", named, "--json")[0])["architecture"] == ARCHITECTURE
    Image.new("RGB", (30, 20), (10, 10, 10)).save("dark.png")
    assert output(capsys, "read", named, "dark.png")[0].startswith("dark.png\t")
    assert "recognizer as TorchScript" in output(capsys, "export", named, "net.pt", "--words", "8")[0]
    train = ["train", named, "--recipe", "recipe.yml", "--out", "again", "--epochs", "1"]
    assert "checkpoint: again/best.ckpt" in output(capsys, *train, "--init", named)[0]


COMMANDS = {
    "evaluate": ["evaluate", "{}"],
    "read": ["read", "{}", "recipe.yml"],
    "export": ["export", "{}", "net.pt"],
    "train": ["train", "{}", "--recipe", "recipe.yml", "--out", "out"],
    "train --init": ["train", ARCHITECTURE, "--recipe", "recipe.yml", "--out", "out", "--init", "{}"],
    "describe": ["describe", "{}"],
    "resume": ["resume", "{}"],
    "report": ["report", "{}", "--out", "out"],
    "view": ["view", "{}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_name_is_answered_with_the_known_ones(
    search: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    as_experiment(search, "abcd1234")
    for wrong, part in (("zzz", "known: "), ("abcd1235", "did you mean abcd1234?")):
        told = refused(capsys, *(word.format(wrong) for word in COMMANDS[command]))
        assert wrong in told and part in told and "abcd1234" in told and "runs/mine" in told
    if command == "report":  # which takes them all
        return
    inside = refused(capsys, *(word.format("runs") for word in COMMANDS[command]))
    assert "it holds mine: give one of them" in inside


def test_a_search_without_a_trained_net(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for trial in (search / "trials").iterdir():
        (trial / "best.ckpt").unlink()
        content = json.loads((trial / "result.json").read_text())
        content["parameters"]["step"] = "path"
        (trial / "result.json").write_text(json.dumps(content))
    for command in ("evaluate", "export", "read", "describe"):
        told = refused(capsys, *(word.format(search) for word in COMMANDS[command]))
        assert "has trained no net yet (2 trials are done, none of them a training)" in told
    told = refused(capsys, "evaluate", str(search / "trials" / "random-1"))
    assert "this trial leaves no net to read with" in told
    content["parameters"]["step"] = "operators"  # before step 3, its architecture is known
    (trial / "result.json").write_text(json.dumps(content))
    out, told = output(capsys, "describe", str(search), "--json")
    assert json.loads(out)["architecture"] == ARCHITECTURE and "it is not trained yet" in told


def test_the_list_of_searches(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_experiment(search, "abcd1234")
    out, _ = output(capsys, "list")
    head, *rows = out.splitlines()
    assert head.split()[:4] == ["id", "name", "strategy", "state"]
    assert {row.split()[0] for row in rows} == {"abcd1234", "runs/mine"}
    mine = next(row for row in rows if row.startswith("runs/mine"))
    best = json.loads((search / "summary.json").read_text())["best"]
    assert "finished  2 of 2" in mine and f"{100 * best['word_accuracy']:.1f} %" in mine
    told = json.loads(output(capsys, "list", "runs", "--json")[0])["searches"]
    assert [row["id"] for row in told] == ["runs/mine"] and told[0]["state"] == "finished"
    (search / "state.json").write_text("{")
    assert "runs/mine" in output(capsys, "list")[0]  # by the state before it
    (search / "state.previous.json").unlink()
    out, error = output(capsys, "list", status=1)
    assert "abcd1234" in out and "state.json: cannot be read" in error
    assert "no such folder" in refused(capsys, "list", "nowhere")


def test_what_was_interrupted_can_go_on_as_it_says(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (search / "summary.json").unlink()

    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    told = "autostr: stopped; nothing is left running; go on with: autostr resume runs/mine\n"
    again = ["search", "experiment.yml", "--in-process", "--out", "runs/mine"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run_search", interrupt)
        assert output(capsys, *again, status=130)[1] == told
        assert output(capsys, "resume", "runs/mine", status=130)[1] == told
        assert output(capsys, *again[:-1], "runs/new", status=130)[1] == (
            "autostr: stopped; nothing is left running\n"  # before it had begun
        )
    shown, _ = output(capsys, *told.split("autostr ")[1].split())
    assert shown.splitlines()[-1].startswith("  autostr report runs/mine ")


def test_what_is_proposed_after_a_search(
    search: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = json.loads((search / "summary.json").read_text())
    assert next_commands(result) == [
        "autostr evaluate runs/mine",
        "autostr export runs/mine net.onnx",
        "autostr report runs/mine --out runs/report-mine",
    ]
    output(capsys, "report", "runs/mine", "--out", "runs/report-mine")
    assert next_commands(result)[-1].endswith("runs/report-mine --force")
    odd = Path("runs/my words")
    shutil.copytree(search, odd)
    told = next_commands({**result, "folder": str(odd.absolute())})
    assert told[0] == "autostr evaluate 'runs/my words'"
    assert next_commands({**result, "best": None}) == []


def test_nothing_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output(capsys, "list")[0].startswith("There are no searches here yet; ")
    assert "there are no searches here yet" in refused(capsys, "resume", "abc")


def paths_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every argument that may be a path, in all subcommands."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for sub in action.choices.values() for inner in paths_of(sub)]
        elif str(action.metavar) in {
            "CONFIG", "FILE", "NET", "CKPT", "IMAGE", "LIST", "ARCH", "DIR", "LMDB", "SET", "OUT", "SEARCH",
            "ID_OR_DIR",
        }:  # fmt: skip
            found.append(action)
    return found


def test_home_in_every_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    actions = paths_of(build_parser())
    assert len(actions) > 25
    for action in actions:
        assert callable(action.type) and str(action.type("~/x")) == "/home/me/x", action
        assert str(action.type("~nobody-of-this-name/x")) == "~nobody-of-this-name/x"


def test_home_in_options(
    search: Path, shades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(search, home / "mine")
    shutil.copytree(shades / "test", home / "words")
    evaluated = ["evaluate", "~/mine", "~/words", "--errors=~/errors.png", "--json"]
    assert json.loads(output(capsys, *evaluated)[0])["errors"] == str(home / "errors.png")
    assert (home / "errors.png").is_file()
    output(capsys, "report", "~/mine", "--out=~/report")
    assert (home / "report" / "report.html").is_file()
    output(capsys, "export", "~/mine", "~/net.pt", "--words", "8", "--check", "~/words")
    output(capsys, "data", "check", "~/words")
    assert not Path("~").exists()


ODD = "odd\x1b[31m\x9b2J\u202ename"


def test_nothing_steers_the_terminal(search: Path, shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of files, sets and searches with escapes in them, in every command's output and errors."""
    shutil.copytree(search, Path("runs") / ODD)
    shutil.copytree(shades / "test", ODD)
    Image.new("RGB", (30, 20), (10, 10, 10)).save(f"{ODD}.png")
    Path(f"{ODD}.txt").write_text("no image")
    Path("list.tsv").write_text(f"{ODD}.png\t1\nno{ODD}.png\t1\n", encoding="utf-8")
    net = f"runs/{ODD}"
    for argv in (
        ["list"],
        ["list", "--json"],
        ["evaluate", net, ODD],
        ["evaluate", net, ODD, "--json"],
        ["read", net, f"{ODD}.png", f"{ODD}.txt"],
        ["read", net, f"{ODD}.png", "--json"],
        ["report", net, "--out", f"report{ODD}"],
        ["export", net, f"{ODD}.pt", "--words", "8"],
        ["describe", net, "--out", f"{ODD}.svg"],
        ["data", "check", ODD],
        ["data", "check", ODD, "--json"],
        ["data", "pack", "list.tsv", f"packed{ODD}"],
        ["train", net, "--recipe", "recipe.yml", "--out", f"trained{ODD}", "--epochs", "1"],
        ["resume", f"{ODD}x"],
        ["describe", ODD],
        ["space", "--recipe", ODD],
        ["search", f"{ODD}.yml"],
    ):
        capsys.readouterr()
        main(argv)
        shown = "".join(capsys.readouterr())
        assert shown and not set(shown) & set("\x1b\x9b\u202e"), argv


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", ""),
        ("describe", " "),
        ("export", "", "net.pt"),
        ("report", "", "--out", "r"),
        ("resume", ""),
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    command: tuple[str, ...],
    search: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As of a shell's variable that is not set."""
    monkeypatch.chdir(search)
    assert "an empty name is given" in refused(capsys, *command)
