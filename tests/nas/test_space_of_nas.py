"""NNI's engine takes every report that a trial makes: it would stop listening at one that it refuses."""

from __future__ import annotations

import nni
import pytest
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, IntermediateMetricEvent

from autostr_nni.nas.space import ReadableModelSpace
from autostr_nni.nni.trial_side.figures import for_nni
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from autostr_nni.search_spaces.space import SearchSpace
from tests.made_table import made_price

METRICS = {"default": 0.25, "loss": 2.0, "macs_m": 1.0, "epoch": 0}


@pytest.mark.parametrize(("step", "ranked_by"), [("path", -2.0), ("operators", None), ("train", 0.25)])
def test_the_engine_takes_the_reports_of_every_step(step: str, ranked_by: float | None) -> None:
    small = SearchSpace(stem_width=4, stage_widths=(4, 4, 4, 4, 4))
    space = ReadableModelSpace.from_model(AutoSTRSpace(small), FunctionalEvaluator(print))
    model = space.propose({"step": step}, "k3e1")
    engine = SequentialExecutionEngine()
    engine.default_callback(IntermediateMetricEvent(model, for_nni(METRICS, step, final=False)))
    engine.default_callback(FinalMetricEvent(model, for_nni(METRICS, step, final=True)))
    assert len(model.metrics.intermediates) == 1 and model.metric == ranked_by


def test_a_trial_is_sent_without_the_price() -> None:
    """A net that is frozen is built without it, and a table of latencies is long."""
    small = SearchSpace(stem_width=4, stage_widths=(4, 4, 4, 4, 4))
    space = AutoSTRSpace(small, budget_m=5.0, price=made_price(small))
    model = ReadableModelSpace.from_model(space, FunctionalEvaluator(print))
    net = small.default_architecture(small.typical_paths()[0], "k3e1")
    sent = nni.dump(model.propose({"step": "train", **net.to_parameters()}, "k3e1"))
    assert "made up" not in sent and len(sent) < 5_000
    assert [block for block in nni.load(sent).executable_model().blocks]
