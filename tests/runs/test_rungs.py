"""What is said of nets that went on from a rung on which none of them read."""

from __future__ import annotations

from autostr_nni.runs.verdict import Score, judge_rungs


def test_rungs_that_taught_nothing() -> None:
    read = [Score(0.012, 500, 0.002, 2), Score(0.0, 500, 0.002, 2), Score(0.5, 500, 0.002, 6)]
    assert str(judge_rungs(read)).startswith(
        "after 2 epochs the best of 2 nets read 1.2 % of the words, so which of them went on is unsure"
    )
    assert judge_rungs([*read, Score(0.2, 500, 0.002, 2)]) is None  # one of them reads
    assert judge_rungs(read[:1]) is None and judge_rungs([]) is None


def test_losses_may_rank_before_a_net_reads() -> None:
    def nets(*later: float) -> list[Score]:
        low = [Score(0.0, 500, 0.002, 2, float(n), f"net {n}") for n in range(6)]
        return [*low, *(Score(0.1, 500, 0.002, 4, loss, f"net {n}") for n, loss in enumerate(later))]

    assert judge_rungs(nets(1.0, 2.0, 3.0, 4.0)) is None  # by chance one order in 24
    for later, told in (
        ((1.0, 2.0, 3.0), "3 of 3"),
        ((2.0, 1.0, 3.0, 4.0), "5 of 6"),
        ((2.0, 1.0), "0 of 1"),
    ):
        said = str(judge_rungs(nets(*later)))
        assert f"is unsure (of these, {told} pairs kept their order by loss on the next rung); begin" in said
    whole = [Score(0.5, 500, 0.002, None, 9.0 - n, f"net {n}") for n in range(4)]  # two rungs on
    assert judge_rungs([*nets(1.0, 2.0, 3.0, 4.0), *whole]) is None
