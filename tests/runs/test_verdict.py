"""What a search has not shown: against counted cases, in summaries, exit status and a trial's own files."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni import strategies
from autostr_nni.cli.commands.search import tell
from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe, recipe_from
from autostr_nni.runs.summary import summarize
from autostr_nni.runs.told import summary_text
from autostr_nni.runs.trial_record import TrialRecord, losses_of, read_search
from autostr_nni.runs.verdict import (
    Score,
    WordLosses,
    judge_best,
    judge_nets,
    judge_operators,
    judge_paths,
    rank_paths,
    word_losses,
)
from autostr_nni.strategies.trials import learnt_nothing
from autostr_nni.training.run_trial import run_proposal


def test_errors_by_hand() -> None:
    first, second = WordLosses([1.0, 2.0, 3.0, 2.0], "a"), WordLosses([1.5, 2.0, 3.5, 3.0], "a")
    mine, other = rank_paths([first, second])
    assert mine.error == pytest.approx(math.sqrt((1 + 0 + 1 + 0) / 3 / 4))
    # The differences are 0.5, 0, 0.5 and 1: mean 0.5, variance (0 + 0.25 + 0 + 0.25) / 3.
    assert other.behind == 0.5 and other.behind_error == pytest.approx(math.sqrt(0.5 / 3 / 4))
    assert (mine.tied, other.tied) == (True, False)  # 2.4 errors behind; 1.64 are chance
    unpaired = rank_paths([first, WordLosses(second.losses, "b")])[1]
    assert unpaired.behind_error == pytest.approx(math.hypot(mine.error, other.error))  # type: ignore[arg-type]
    assert unpaired.tied  # what is hard in one word is no longer taken off
    assert [path.tied for path in rank_paths([first, None])] == [True, None]
    assert [path.error for path in rank_paths([None, first])] == [None, None]


def test_alike_paths_are_told_apart_as_seldom_as_promised() -> None:
    """Ten paths of the same quality: the lowest loss is chosen, and in 95 % or more all are called tied or
    nearly so; a path that is truly better is told apart."""
    rng = random.Random(3)
    hard = [rng.expovariate(1) for _ in range(300)]
    wrong = 0
    for _ in range(60):
        paths = sorted(([h + rng.gauss(0, 0.3) for h in hard] for _ in range(10)), key=sum)
        wrong += rank_paths([WordLosses(p, "a") for p in paths])[1].tied is not True
    assert wrong == 0  # the next best is never told apart
    better = [h - 0.1 + rng.gauss(0, 0.3) for h in hard]
    told = rank_paths([WordLosses(better, "a"), *(WordLosses(p, "a") for p in paths)])
    assert [path.tied for path in told] == [True] + [False] * 10


def test_losses_that_are_damaged_are_none() -> None:
    assert word_losses({"losses": [1.0, 2], "words": "a"}) is not None
    for content in ({}, {"losses": [1.0], "words": "a"}, {"losses": [1.0, float("nan")], "words": "a"}):
        assert word_losses(content) is None
    assert word_losses({"losses": [1.0, True], "words": "a"}) is None


def test_what_counts_as_nothing() -> None:
    assert learnt_nothing(0.05, 0.001, 0.05) and not learnt_nothing(0.051, 0.001, 0.05)
    assert learnt_nothing(0.5, 0.5, 0.05) and not learnt_nothing(0.51, 0.5, 0.05)  # yes and no: half is blind
    assert not learnt_nothing(0.0, 1.0, above=0) and not learnt_nothing(None, None, 0.05)
    assert judge_best(0.9, 0.01) is None
    assert str(judge_best(0.021, 0.002)).startswith(
        "nothing was learnt: the best net reads 2.1 % of the validation words, and up to 5.0 % counts as "
        "nothing; train longer (training.epochs"
    )
    assert (
        "reads 48.0 % of the validation words, and always answering the commonest word gives 50.0 %"
        in str(judge_best(0.48, 0.5))
    )


def test_undecided_operations() -> None:
    names = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip")
    nearly = {name: 0.2 if name == "k3e1" else 0.8 / 6 for name in names}
    said = judge_operators([nearly, {"k3e1": 1.0}])  # a layer without a choice tells nothing
    assert said is not None and said.startswith(
        "the operations are undecided: the most probable of a layer has 0.20 on average (all alike: 0.14), "
        "the entropy is 1.93 of 1.95 nats; search longer"
    )
    sure = {name: 0.7 if name == "k3e1" else 0.05 for name in names}
    assert judge_operators([sure, sure]) is None
    assert judge_operators([{"k3e1": 1.0, "skip": 0.0}]) is None and judge_operators([]) is None


def test_sentences_of_paths() -> None:
    alike = rank_paths([WordLosses([1.0, 2.0, 3.0], "a"), WordLosses([1.2, 1.9, 3.1], "a")])
    assert judge_paths(["ABABB", "AABBB"], alike, 3, 0.5) == (
        "the ranking of paths is within noise: none is told apart from ABABB by 3 validation words; train "
        "paths longer (search.path.epochs, search.path.epoch_images), or choose by more words"
    )
    third = rank_paths([*(WordLosses(w, "a") for w in ([1.0, 2.0, 3.0], [1.2, 1.9, 3.1], [9.0, 9.9, 11.1]))])
    said = str(judge_paths(["ABABB", "AABBB", "ABBAB"], third, 3, 0.5))
    assert said.startswith("the first paths are within noise: AABBB not told apart from ABABB by 3")
    unread = judge_paths(["ABABB", "AABBB"], rank_paths([None, None]), None, 0.012)
    assert str(unread).startswith("the paths were ranked by nets that read 1.2 % of the words at best; train")
    blind = judge_paths(["ABABB", "AABBB"], rank_paths([None, None]), None, 0.5, blind=0.5)
    assert str(blind).startswith("the paths were ranked by nets that read 50.0 % of the words at best")
    assert judge_paths(["ABABB"], alike[:1], 3, 0.0) is None  # one path is no ranking
    assert judge_paths(["ABABB", "AABBB"], rank_paths([None, None]), None, 0.5) is None


# --- searches ----------------------------------------------------------------------------------------------


def search(folder: Path, accuracy: float, **evaluation: Any) -> dict[str, Any]:
    """A search of made-up trials whose nets read so much, whose paths are alike and whose operations too."""
    layers = {"stem_width": 8, "stage_widths": [8] * 5, "stage_layers": [1] * 5, "image": [32, 32]}
    recipe = recipe_from(
        {
            "data": {"train": ["/a"], "validation": ["/b"]},
            "model": layers,
            "search": {"path": {"paths": ["AABBB", "ABABB"]}, "operators": {"operations": ["k3e1", "k5e3"]}},
            "evaluation": evaluation,
        },
        Path("/"),
    )

    def trial(parameters: Any, recipe: Any, place: Path, report: Any) -> dict[str, Any]:
        metrics: dict[str, Any] = {"default": accuracy, "loss": 9.0, "words": 40, "blind": 0.01}
        result: dict[str, Any] = {}
        if parameters["step"] == "path":
            losses = [9.0 + (i * 7 % 5) / 10 for i in range(40)]
            if parameters["stride_path"] == "ABABB":
                losses.reverse()
            (place / "word_losses.json").write_text(json.dumps({"words": "x", "losses": losses}))
        if parameters["step"] == "operators":
            metrics["architecture"] = f"{parameters['stride_path']}:k3e1,k5e3,k3e1,k5e3,k3e1"
            result["probabilities"] = [{"k3e1": 0.52, "k5e3": 0.48}] * 5
        (place / "result.json").write_text(
            json.dumps({"parameters": parameters, "metrics": metrics, **result})
        )
        return metrics

    return run_search(strategies.build("two-step", recipe), recipe, folder, trial, log=lambda line: None)


class Arguments:
    json = False


def test_a_search_that_learns_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = search(tmp_path / "run", 0.03)
    assert tell(found, Arguments()) == 1  # type: ignore[arg-type]
    out, err = capsys.readouterr()
    assert err.splitlines()[-1].startswith("autostr: error: nothing was learnt: the best net reads 3.0 %")
    assert "Best architecture (it has learnt nothing): " in out
    assert "Note: the ranking of paths is within noise: none is told apart from AABBB by 40 vali" in out
    assert "; paths were ranked by nets that read 3.0 % of the words at best; train paths longer" in out
    assert "Note: the operations are undecided: the most probable of a layer has 0.52 on average" in out
    kept = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert kept["failure"] == kept["verdict"]["best"] == found["failure"]
    # Wanted so, as in a trial of the machinery, any net counts.
    assert tell(search(tmp_path / "any", 0.0, learnt_above=0), Arguments()) == 0  # type: ignore[arg-type]


def test_a_search_that_learns_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = search(tmp_path / "run", 0.6)
    assert tell(found, Arguments()) == 0  # type: ignore[arg-type]
    out, err = capsys.readouterr()
    assert not err and "nothing" not in out and "Note: the operations are undecided" in out


def test_trials_of_another_kind_are_not_judged(tmp_path: Path) -> None:
    place = tmp_path / "trials" / "a"
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps({"metrics": {"default": -3.5}, "parameters": {"x": 1}}))
    found = summarize(read_search(tmp_path))
    assert found["verdict"] == dict.fromkeys(("best", "paths", "rungs", "ranking", "operators", "nets"))
    assert "nothing" not in summary_text(found)


def test_a_path_trial_keeps_the_loss_of_every_word(
    tiny_search: Callable[..., Path], tiny_words: Path, tmp_path: Path
) -> None:
    tiny_search(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.yml")
    labels = [label for _, label in LmdbReader(tiny_words / "validation").labels()]
    commonest = max(map(labels.count, labels))
    kept = []
    for path in ("AABBB", "ABABB"):
        place = tmp_path / path
        final = run_proposal({"step": "path", "stride_path": path}, recipe, place, lambda *report: None)
        losses = losses_of(place)
        assert losses is not None and len(losses.losses) == final["words"] == 24
        assert sum(losses.losses) / 24 == pytest.approx(final["loss"], abs=1e-4)
        assert final["blind"] == pytest.approx(commonest / 24, abs=1e-4)
        kept.append(losses)
    assert kept[0].words == kept[1].words and kept[0].losses != kept[1].losses


def test_a_training_that_learns_nothing_is_told(
    tiny_search: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_search(tmp_path, training={"epochs": 1}, evaluation={"learnt_above": 0.99})
    net = ["train", "ABABB:k3e1,skip,k5e3,k3e1,k3e1,k5e3", "--recipe", str(tmp_path / "recipe.yml")]
    assert main([*net, "--out", str(tmp_path / "net")]) == 0  # it may go on
    assert "autostr: warning: nothing was learnt: the best net reads " in capsys.readouterr().err


def test_nets_within_noise() -> None:
    """Of 1 000 words, 0.5 points are chance and 3 are not; of 20 words, 15 points are chance."""
    assert judge_nets([Score(0.988, 1000), Score(0.983, 1000), Score(0.95, 1000)]) == (
        "the choice among 3 nets is within noise: 1 of the others is not told apart from the best by 1000 "
        "validation words (98.8 %, 98.3 %); training again would vary them too: use more words, or compare "
        "over seeds (docs/comparing.md)"
    )
    assert judge_nets([Score(0.9, 1000), Score(0.87, 1000)]) is None
    assert "none of the others is told apart" in str(judge_nets([Score(0.9, 20), Score(0.75, 20)]))
    assert "2 of the others are not" in str(judge_nets([Score(0.9, 99), *[Score(0.9, 99)] * 2, Score(0, 99)]))
    for nothing in ([], [Score(0.9, 99)], [Score(0.9), Score(0.9)], [Score(0.9, 9), Score(None, 9)]):
        assert judge_nets(nothing) is None
    assert judge_nets([Score(0.04, 99), Score(0.04, 99)]) is None  # that nothing was learnt is told instead


def test_chance_alone_tells_few_nets_apart() -> None:
    """In 200 searches of ten nets that read alike, 300 words: at most one in twenty told apart wrongly."""
    rng = random.Random(5)
    wrong = 0
    for _ in range(200):
        reads = [sum(rng.random() < 0.6 for _ in range(300)) / 300 for _ in range(10)]
        best, *others = sorted(reads, reverse=True)
        # The best is compared with one that was not chosen for being far behind.
        wrong += judge_nets([Score(best, 300), Score(others[0], 300)]) is None
    assert wrong <= 10


def trained(*reads: float, **parameters: Any) -> list[TrialRecord]:
    """Trained nets that read so much of 100 words."""
    about = {"step": "train", "stride_path": "ABABB", "op_01": "k3e1", **parameters}
    told = {"loss": 1.0, "words": 100, "blind": 0.01}
    return [TrialRecord(f"random-{i}", about, {"default": read, **told}) for i, read in enumerate(reads)]


def test_never_a_best_architecture_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = {**summarize(trained(0.61, 0.6)), "folder": "runs/one", "failure": None}
    assert "Best architecture (not told apart from others): ABABB:k3e1" in summary_text(found)
    assert tell(found, Arguments()) == 0  # type: ignore[arg-type]
    assert (
        capsys.readouterr().out.splitlines()[-1].startswith("Note: the choice among 2 nets is within noise: ")
    )
    machine = Arguments()
    machine.json = True
    assert tell(found, machine) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().err.startswith("autostr: warning: the choice among 2 nets is within noise")
    assert "Best architecture: ABABB:k3e1" in summary_text(summarize(trained(0.9, 0.2)))
    poor = summarize(trained(0.01, 0.01))
    assert (
        "Best architecture (it has learnt nothing): " in summary_text(poor)
        and poor["verdict"]["nets"] is None
    )


def test_the_largest_net_is_named() -> None:
    found = summarize([*trained(0.9, net="largest"), *trained(0.2)])
    assert "Best architecture: ABABB:k3e1 (the largest net of the band)" in summary_text(found)


def test_operations_that_hardly_moved_are_told_beside_the_net(tmp_path: Path) -> None:
    said = summary_text(search(tmp_path / "run", 0.6))
    assert "Best architecture (its path within noise, its operations undecided): " in said
