"""Strategies over seeds: which searches belong together, what is compared at which cost, who is ahead."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.recipe import recipe_from
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.seeds.comparison import compare
from autostr_nni.report.seeds.comparison import compared as count
from autostr_nni.report.seeds.reached import reached
from autostr_nni.strategies.registry import recorded


def net(
    name: str, accuracy: float, test: float, largest: bool = False, status: str = "done"
) -> dict[str, Any]:
    """A net that cost 10 images and 20 seconds, and read half as much after half of them."""
    epochs = [{"images": 5.0, "seconds": 10.0, "accuracy": accuracy / 2}]
    epochs += [{"images": 10.0, "seconds": 20.0, "accuracy": accuracy}]
    about = {"trial": name, "status": status, "accuracy": accuracy, "loss": 1.0, "largest": largest}
    before = {"images": 0.0, "seconds": 0.0}
    tests = {"words": {"accuracy": test}}
    return {**about, "images": 10.0, "seconds": 20.0, "before": before, "epochs": epochs, "tests": tests}


def search(key: str, strategy: str, nets: list[dict[str, Any]], before: float = 0.0) -> dict[str, Any]:
    trials = [{"trial": "path", "step": "path", "images": before, "seconds": 2 * before}] if before else []
    trials += [{"trial": n["trial"], "step": "train", "images": 10.0, "seconds": 20.0} for n in nets]
    return {"key": key, "label": key, "strategy": strategy, "nets": nets, "trials": trials}


def history(seed: int, strategy: str = "", **search: Any) -> SearchHistory:
    data = {"train": [f"t{seed}"], "validation": ["v"], "test": search.pop("test", {})}
    data["validation_of"] = search.pop("of", {})
    content = {"seed": seed, "data": data, "evaluation": search.pop("evaluation", {}), "search": search}
    recipe = recipe_from(content, Path("/w")).model_dump(mode="json")
    facts = recorded(strategy, {})
    return SearchHistory("", "", "", strategy, Path(), "finished", [], recipe=recipe, facts=facts)


def compared(searches: list[dict[str, Any]], seeds: list[int], **settings: Any) -> dict[str, Any]:
    told = {
        s["key"]: history(seed, s["strategy"], **settings) for s, seed in zip(searches, seeds, strict=True)
    }
    return compare(searches, told)


def figures(found: dict[str, Any], unit: str, name: str, pair: int = 0) -> dict[str, Any]:
    (figure,) = [f for f in found["pairs"][pair]["figures"] if (f["unit"], f["set"]) == (unit, name)]
    return dict(figure)


def five(halving: list[float], random: list[float]) -> dict[str, Any]:
    """A halving and a random search of each seed, in a muddle, by the accuracies of one net on test words."""
    searches = [search(f"h{i}", "halving", [net(f"h{i}n", 0.5, score)]) for i, score in enumerate(halving)]
    searches += [search(f"r{i}", "random", [net(f"r{i}n", 0.5, score)]) for i, score in enumerate(random)]
    seeds = [*range(len(halving)), *range(len(random))]
    order = sorted(range(len(searches)), key=lambda i: (i * 7) % 5)
    order.sort(key=lambda i: i != 0)  # the first search names the first group
    return compared([searches[i] for i in order], [seeds[i] for i in order])


def test_who_is_ahead() -> None:
    found = five([0.60, 0.62, 0.59, 0.63, 0.61], [0.58, 0.59, 0.57, 0.60, 0.58])
    assert [(g["label"], g["seeds"]) for g in found["groups"]] == [
        ("halving", [0, 1, 2, 3, 4]),
        ("random", [0, 1, 2, 3, 4]),
    ]
    told = figures(found, "images", "test words")
    assert told["mean"] == pytest.approx(0.026) and (told["wins"], told["losses"], told["n"]) == (5, 0, 5)
    assert (told["low"], told["high"]) == (pytest.approx(0.0192, abs=1e-4), pytest.approx(0.0328, abs=1e-4))
    (pair,) = found["pairs"]
    assert pair["sentence"] == (
        "halving is ahead of random on test words at equal images: halving +2.6 points over 5 seeds (95 %: "
        "+1.9 to +3.3), ahead in 5. At equal seconds: halving +2.6 points over 5 seeds (95 %: +1.9 to +3.3), "
        "ahead in 5."
    )
    (pair,) = five([0.58, 0.59, 0.57, 0.60, 0.58], [0.60, 0.62, 0.59, 0.63, 0.61])["pairs"]
    assert pair["sentence"].startswith(
        "random is ahead of halving on test words at equal images: random +2.6"
    )


def test_open() -> None:
    (pair,) = five([0.60, 0.55, 0.63], [0.58, 0.59, 0.57])["pairs"]
    assert pair["sentence"].startswith(
        "It is open whether halving or random is ahead on test words at equal images: halving +1.3 points "
        "over 3 seeds (95 %: −11.2 to +13.8), ahead in 2."
    )
    (pair,) = five([0.60], [0.50])["pairs"]
    assert pair["sentence"].startswith("It is open whether halving or random")
    assert "halving +10.0 points over 1 seed, ahead in 1." in pair["sentence"]
    assert pair["sentence"].endswith("Fewer than 3 seeds tell nothing of chance; 5 are better.")


def test_validation_words_choose_and_test_words_tell() -> None:
    nets = [net("a", 0.6, 0.5), net("b", 0.7, 0.4), net("c", 0.5, 0.9)]
    one = search("s", "random", nets)
    assert reached(one, "images", 10) == {"validation": 0.6, "test words": 0.5}
    assert reached(one, "images", 30) == {"validation": 0.7, "test words": 0.4}
    # Within a training validation words tell already; test words when it has ended, or lacks 2 % of the cost.
    assert reached(one, "images", 16) == {"validation": 0.6, "test words": 0.5}
    assert reached(one, "images", 5) == {"validation": 0.3}
    assert reached(one, "seconds", 39.5) == {"validation": 0.7, "test words": 0.4}
    assert reached(search("s", "random", [net("a", 0.6, 0.5, status="failed")]), "images", 99) == {}


def test_the_cheaper_of_a_seed_sets_the_cost() -> None:
    """Seed 0: two random nets beside steps and a net of 20 images in all; seed 1: one net each."""
    searches = [
        search("t0", "two-step", [net("t0n", 0.6, 0.6)], before=10.0),
        search("t1", "two-step", [net("t1n", 0.6, 0.6)]),
        search("r0", "random", [net("a", 0.4, 0.4), net("b", 0.5, 0.5), net("c", 0.9, 0.9)]),
        search("r1", "random", [net("d", 0.4, 0.4), net("e", 0.8, 0.8)]),
    ]
    found = compared(searches, [0, 1, 0, 1])
    rows = figures(found, "images", "test words")["rows"]
    assert [(row["at"], row["first"], row["second"]) for row in rows] == [(20.0, 0.6, 0.5), (10.0, 0.6, 0.4)]
    rows = figures(found, "end", "test words")["rows"]
    assert [(row["first_cost"], row["second_cost"], row["second"]) for row in rows] == [
        (20.0, 30.0, 0.9),
        (10.0, 20.0, 0.8),
    ]


def test_a_seed_without_a_net_is_lost_and_leaves_it_open() -> None:
    searches = [
        search(f"t{i}", "two-step", [net(f"t{i}", 0.9, 0.9)], before=20.0 * (i == 3)) for i in range(4)
    ]
    searches += [search(f"r{i}", "random", [net(f"r{i}", 0.5, 0.5 + i / 100)]) for i in range(4)]
    found = compared(searches, [*range(4), *range(4)])
    told = figures(found, "images", "test words")
    assert (told["n"], told["compared"], told["wins"], told["losses"]) == (4, 3, 3, 1) and told["low"] > 0
    assert found["pairs"][0]["sentence"].startswith(
        "It is open whether two-step or random is ahead on test words at equal images: two-step +39.0 points "
        "over 3 of 4 seeds, in the others one of the two had no trained net yet"
    )
    assert " Each at its own end: two-step +38.5 points over 4 seeds" in found["pairs"][0]["sentence"]


def test_seeds_without_a_net_of_either_are_no_draw() -> None:
    searches = [search(f"t{i}", "two-step", [net(f"t{i}", 0.9, 0.9)] * (i < 2)) for i in range(3)]
    searches += [search(f"r{i}", "random", [net(f"r{i}", 0.5, 0.5)] * (i < 2)) for i in range(3)]
    found = compared(searches, [*range(3), *range(3)])
    told = figures(found, "images", "test words")
    assert (told["n"], told["compared"], told["wins"], told["ties"], told["losses"]) == (3, 2, 2, 0, 0)
    assert "over 2 of 3 seeds, in the others not both had a trained net yet" in found["pairs"][0]["sentence"]


def test_nets_that_came_too_late_for_equal_cost_are_told_at_their_own_ends() -> None:
    searches = [search("t", "two-step", [], before=1.0), search("r", "random", [net("r0", 0.5, 0.5)])]
    said = compared(searches, [0, 0])["pairs"][0]["sentence"]
    assert said.startswith(
        "It is open whether two-step or random is ahead on test words: at equal images neither had a trained "
        "net yet. Each at its own end: "
    )


def test_what_both_sides_have_decides() -> None:
    """Test sets that share words have no figure of all together; searches of earlier versions have one."""
    older, newer = net("a", 0.5, 0.6), net("b", 0.5, 0.4)
    older["tests"] = {"words": {"accuracy": 0.6}, "more": {"accuracy": 0.6}, "all": {"accuracy": 0.6}}
    newer["tests"] = {"words": {"accuracy": 0.4}, "more": {"accuracy": 0.4}}
    found = compared([search("h", "halving", [older]), search("r", "random", [newer])], [0, 0])
    assert found["pairs"][0]["set"] == "test words"
    assert "ahead on the words of test words at equal images: halving +20.0" in found["pairs"][0]["sentence"]


def test_all_comparisons_of_a_report_hold_together() -> None:
    searches = [search(f"h{i}", "halving", [net(f"h{i}", 0.5, 0.5 + i / 50)]) for i in range(3)]
    searches += [search(f"r{i}", "random", [net(f"r{i}", 0.5, 0.4)]) for i in range(3)]
    told = {s["key"]: history(int(s["key"][1]), s["strategy"]) for s in searches}
    assert count(searches, told) == 1
    alone, of_two = (figures(compare(searches, told, n), "images", "test words") for n in (None, 2))
    assert alone["comparisons"] == 1 and of_two["comparisons"] == 2
    assert of_two["low"] < alone["low"] < alone["mean"] == of_two["mean"]


def test_random_searches_of_other_bands_are_other_strategies() -> None:
    searches = [search(f"r{i}", "random", [net(f"r{i}n", 0.5, 0.5)]) for i in range(3)]
    told = {
        "r0": history(0, "random", halving={"min_m": 10.0}),
        "r1": history(1, "random", halving={"min_m": 20.0}),
        "r2": history(2, "random", halving={"min_m": 30.0}, random={"min_m": 10.0}),
    }
    groups = compare(searches, told)["groups"]
    assert [group["seeds"] for group in groups] == [[0, 2], [1]]
    drawn = [search(f"t{i}", "two-step", [net(f"t{i}n", 0.5, 0.5)]) for i in range(3)]
    for paths, expected in ((8, [[0], [1], [2]]), ("typical", [[0, 1, 2]])):
        told = {
            f"t{i}": history(i, "two-step", path={"paths": paths}, halving={"min_m": i}) for i in range(3)
        }
        assert [group["seeds"] for group in compare(drawn, told)["groups"]] == expected


def test_the_largest_net_is_a_strategy_of_its_own() -> None:
    searches = [
        search(f"s{i}", "random", [net(f"l{i}", 0.9, 0.9, largest=True), net(f"r{i}", 0.5, 0.5)])
        for i in range(3)
    ]
    found = compared(searches, [0, 1, 2])
    assert [group["label"] for group in found["groups"]] == ["random", "the largest net"]
    assert figures(found, "images", "test words")["mean"] == pytest.approx(-0.4)
    assert found["pairs"][0]["sentence"].startswith("the largest net is ahead of random on test words")


def test_settings_that_a_strategy_does_not_look_at_make_no_group() -> None:
    searches = [search(f"r{i}", "random", [net(f"r{i}n", 0.5, 0.5)]) for i in range(3)]
    told = {
        "r0": history(0, "random", halving={"nets": 5}),
        "r1": history(1, "random", halving={"nets": 7}),
        "r2": history(2, "random", random={"count": 5}),
    }
    groups = compare(searches, told)["groups"]
    assert [(group["label"], group["seeds"]) for group in groups] == [
        ("random (random.count 10)", [0, 1]),
        ("random (random.count 5)", [2]),
    ]


def test_words_for_a_purpose_are_a_setting_and_which_words_is_none() -> None:
    searches = [search(key, "two-step", [net(key, 0.5, 0.5)]) for key in ("own0", "own1", "plain0", "plain1")]
    told = {key: history(int(key[-1]), "two-step") for key in ("plain0", "plain1")}
    told |= {f"own{n}": history(n, "two-step", of={"alpha": [f"words{n}"]}) for n in (0, 1)}
    found = compare(searches, told)
    assert [group["searches"] for group in found["groups"]] == [["own0", "own1"], ["plain0", "plain1"]]
    assert found["groups"][0]["label"] == 'two-step (data.validation_of.alpha "own words")'
    assert [pair["seeds"] for pair in found["pairs"]] == [[0, 1]] and found["left_out"] == []


def test_what_is_left_out_is_told() -> None:
    searches = [search(key, key[0], [net(key, 0.5, 0.5)]) for key in ("a0", "a0again", "a1", "b0", "c")]
    told = {key: history(int(key[1])) for key in ("a0", "a0again", "a1", "b0")}
    told["c"] = SearchHistory("", "", "", "", Path(), "finished", [])
    found = compare(searches, told)
    assert found["left_out"] == [
        "a0again is not compared over seeds: another search of the same settings has the seed 0 too",
        "c is not compared over seeds: its recipe is not known",
        "a and b are compared over the seeds that both have; left out: 1",
    ]
    assert [pair["seeds"] for pair in found["pairs"]] == [[0]]


def test_validation_words_decide_where_there_is_no_test_set() -> None:
    nets = [{**net(name, accuracy, 0.0), "tests": {}} for name, accuracy in (("a", 0.5), ("b", 0.4))]
    found = compared([search("a", "halving", nets[:1]), search("b", "random", nets[1:])], [0, 0])
    assert (
        "ahead on validation words (no test set is common to both) at equal images"
        in found["pairs"][0]["sentence"]
    )


def test_searches_by_different_figures_are_not_compared() -> None:
    """The same net has one word accuracy and another 1-CER: no difference of the two says anything."""
    searches = [search(key, key[0], [net(key, 0.5, 0.5)]) for key in ("a0", "b0", "c0")]
    told = {key: history(0, key[0]) for key in ("a0", "b0")}
    told["c0"] = history(0, "c", evaluation={"metric": "cer"})
    found = compare(searches, told)
    assert found["left_out"] == [
        "searches by different figures (evaluation.metric: word_accuracy, cer) are not compared over seeds"
    ]
    assert len(found["pairs"]) == 1


def test_test_sets_of_one_name_with_other_words_are_not_compared(tmp_path: Path) -> None:
    """Both are called by their folder's name."""
    folders = tmp_path / "easy", tmp_path / "hard"
    for folder in folders:
        write_lmdb(folder, [(b"an image", folder.name)])
    searches = [search(key, key[0], [net(key, 0.5, 0.5)]) for key in ("a0", "b0")]
    told = {
        key: history(0, key[0], test={"words": str(folder)})
        for key, folder in zip(("a0", "b0"), folders, strict=True)
    }
    found = compare(searches, told)
    assert found["left_out"] == ["a and b are not compared by the test set words: its words are others"]
    assert {figure["set"] for figure in found["pairs"][0]["figures"]} == {"validation"}
    shutil.rmtree(folders[1])
    assert compare(searches, told)["left_out"] == [
        "a and b are not compared by the test set words: it lies at other places, and whether its words are "
        "the same cannot be looked at on this machine"
    ]
    alike = {key: history(0, key[0], test={"words": "easy"}) for key in told}
    assert "test words" in {figure["set"] for figure in compare(searches, alike)["pairs"][0]["figures"]}
