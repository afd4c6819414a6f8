"""A trial of every step on a GPU, and what it leaves for machines without one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from autostr_nni.runs.records import read_metrics
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]


def test_begun_on_a_gpu_it_ends_on_the_cpu(tmp_path: Path, make_recipe, proposal) -> None:
    with pytest.raises(Killed):
        run_proposal(proposal, make_recipe({"training.device": "cuda"}), tmp_path, Log(stop_at=1))
    log = Log()
    run_proposal(proposal, make_recipe(), tmp_path, log)
    assert [metrics["epoch"] for metrics, final in log.reports if not final] == [1, 2]  # the first is kept
    assert all(math.isfinite(line["loss"]) for line in read_metrics(tmp_path))
