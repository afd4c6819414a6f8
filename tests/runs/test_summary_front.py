"""Several winners in the summary: the front by rising cost, the best last, and the others beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.runs.summary import best_of_all, summarize, summary_of
from autostr_nni.runs.told import summary_text
from autostr_nni.runs.trial_record import TrialRecord

NETS = {  # accuracy, million MACs
    "small": (0.4, 1.0),
    "worse": (0.3, 2.0),
    "middle": (0.6, 2.5),
    "large": (0.8, 4.0),
    "larger": (0.8, 5.0),
    "nothing": (0.01, 0.5),
}


def records() -> list[TrialRecord]:
    return [
        TrialRecord(
            id,
            {"step": "train", "stride_path": "ABABB", "op_01": id},
            {"default": accuracy, "loss": 1 - accuracy - macs / 100, "macs_m": macs, "params_m": macs / 10},
            result={"test": {"words": {"words": 10, "word_accuracy": accuracy - 0.1}}},
        )
        for id, (accuracy, macs) in NETS.items()
    ]


@pytest.mark.parametrize(
    ("size", "front"),
    [(1, []), (2, ["small", "large"]), (3, ["small", "middle", "large"]), (9, ["small", "middle", "large"])],
)
def test_the_front_and_its_best(size: int, front: list[str]) -> None:
    found = summarize(records(), front_size=size)
    assert [row["trial"] for row in found["front"]] == front
    best = found["best"]
    assert best is not None and best["test"] is not None
    # Of equally accurate nets the one of the lower loss is the best, and with a front the cheaper one.
    assert best["trial"] == ("larger" if size == 1 else "large")
    assert [row["trial"] for row in found["architectures"]][:2] == ["larger", "large"]
    assert all(row["test"] for row in found["front"])


def test_its_text() -> None:
    text = summary_text(summarize(records(), front_size=3))
    lines = text.splitlines()
    place = lines.index("Front along MACs and validation word accuracy (3 nets, the last is the best):")
    assert lines[place + 1 : place + 4] == [
        f"  {place:2}. {share} %  {macs} M MACs, {params} M parameters  ABABB:{name}; test words: word "
        f"accuracy {tested} % (10 words)"
        for place, share, macs, params, name, tested in (
            (1, "40.0", "1", "0.1", "small", "30.0"),
            (2, "60.0", "2.5", "0.25", "middle", "50.0"),
            (3, "80.0", "4", "0.4", "large", "70.0"),
        )
    ]
    assert "Front" not in summary_text(summarize(records()))


def test_where_nothing_was_learnt_the_best_alone_is_left() -> None:
    found = summarize(records()[-1:], front_size=3)
    assert [row["trial"] for row in found["front"]] == ["nothing"] and found["verdict"]["best"] is not None
    assert summarize([], front_size=3)["front"] == []


def test_a_search_of_anothers_tuner_has_none() -> None:
    assert best_of_all(records())["front"] == []


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ({"search": {"front": {"size": 2}}}, 2),
        ({"search": {"front": {"size": 9}}, "evaluation": {"learnt_above": 0}}, 4),
        ({"search": {"front": {"size": "2"}}}, 0),
        ({"search": [], "evaluation": None}, 0),
        (None, 0),
    ],
)
def test_a_folder_is_summed_up_by_the_recipe_that_it_keeps(tmp_path: Path, recipe: Any, count: int) -> None:
    for record in records():
        place = tmp_path / "trials" / record.id
        place.mkdir(parents=True)
        content = {"parameters": dict(record.parameters), "metrics": record.metrics, **record.result}
        (place / "result.json").write_text(json.dumps(content))
    if recipe is not None:
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    found = summary_of(tmp_path)
    assert len(found["front"]) == count and len(found["architectures"]) == 6
