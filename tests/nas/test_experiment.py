"""NNI's Python API through a real manager: every row carries what ran, readable, and nothing is left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib import get_cachedir

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace

pytestmark = pytest.mark.slow("runs NNI")

PATHS = ["AABBB", "ABABB", "BBBAA"]
SMALL = {"stem_width": 4, "stage_widths": [4, 4, 4, 8, 8], "stage_layers": [1, 2, 1, 1, 1]}
RECIPE = {
    "data": {"train": ["/nowhere"], "validation": ["/nowhere"]},
    "model": {"image": [32, 32], **SMALL, "rectifier": {"enabled": False}},
    "search": {
        "path": {"paths": PATHS, "default_operation": "res3"},
        "operators": {"operations": ["k3e1", "k5e3", "skip"]},
    },
}

# Reports a number that depends on what was built, and notes what that was.
EVALUATE = """
import json, os, pathlib
import nni, torch
from autostr_nni.nni.trial_side.figures import for_nni
from autostr_nni.supernet.supernet import Supernet

def cost(path):
    return int(path.replace("A", "1").replace("B", "0"), 2)

def evaluate(model):
    parameters = sum(p.numel() for p in model.parameters())
    sample = dict(nni.get_current_parameter().sample)
    ran = dict(model=type(model).__name__, parameters=parameters, sample=sample)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 8, 8)
    folder = pathlib.Path(os.environ["NNI_OUTPUT_DIR"])
    (folder / "ran.json").write_text(json.dumps(ran))
    if isinstance(model, Supernet):
        found = sample["stride_path"] + ":k3e1,k5e3,skip,k3e1,k3e1,k3e1"
        metrics = {"default": 0.0, "loss": 1.0, "architecture": found}
        nni.report_intermediate_result(for_nni(metrics, "operators", final=False))
        nni.report_final_result(for_nni(metrics, "operators", final=True))
    else:
        nni.report_final_result(-float(parameters + cost(sample["stride_path"])))
"""

SEARCH = """
import json, sys
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.strategy import Random
from autostr_nni.nas.experiment import NasExperiment
from autostr_nni.nas.strategy import TwoStepStrategy
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from evaluation import evaluate

strategy = TwoStepStrategy("recipe.json")
space = AutoSTRSpace(strategy.recipe.space(), typical=True)
if sys.argv[1] == "random":
    strategy = Random(seed=3)
experiment = NasExperiment(space, FunctionalEvaluator(evaluate), strategy)
experiment.config.trial_concurrency = 3
experiment.config.max_trial_number = 4 if sys.argv[1] == "random" else 5
experiment.config.experiment_working_directory = "nni-experiments"
experiment.run()
from autostr_nni.nni.manager.rest import Manager
rows = Manager(f"http://127.0.0.1:{experiment.port}").get("trial-jobs")
declared = experiment.get_experiment_profile()["params"]["searchSpace"]
top = experiment.export_top_models(top_k=2, formatter="dict")
best = experiment.export_top_models(formatter="instance")[0]
experiment.stop()
print(json.dumps([experiment.id, rows, declared, top, sum(p.numel() for p in best.parameters())]))
"""


def loss(sample: dict[str, Any]) -> int:
    """What the evaluation reports, but for the sign."""
    return weights(sample) + int(sample["stride_path"].replace("A", "1").replace("B", "0"), 2)


def weights(sample: dict[str, Any]) -> int:
    """Parameters of the backbone that a row of the page tells."""
    from autostr_nni.models.backbone import Backbone

    small = {key: tuple(value) if isinstance(value, list) else value for key, value in SMALL.items()}
    space = SearchSpace(height=32, width=32, out_width=8, operations=("k3e1", "k5e3", "skip"), **small)  # type: ignore[arg-type]
    if sample.get("step") == "path":
        from autostr_nni.search_spaces.nni_space import default_backbone
        from autostr_nni.search_spaces.stride_path import StridePath

        made = default_backbone(StridePath.parse(sample["stride_path"], space.stage_layers), space, "res3")
    else:
        made = Backbone(Architecture.from_parameters(sample, space), space)
    return sum(p.numel() for p in made.parameters())


@pytest.mark.parametrize("strategy", ["random", "two-step"])
def test_rows_are_what_ran(project: Any, strategy: str) -> None:
    folder: Path = project.folder
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    (folder / "evaluation.py").write_text(EVALUATE)
    (folder / "search.py").write_text(SEARCH)
    project.environment["MPLCONFIGDIR"] = get_cachedir()  # no list of fonts to be made in the new home
    done = project.popen([sys.executable, "search.py", strategy])
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, errors
    assert project.processes() == []
    id, rows, declared, top, exported = json.loads(output.strip().splitlines()[-1])

    assert len(rows) == (4 if strategy == "random" else 5) and {row["status"] for row in rows} == {
        "SUCCEEDED"
    }
    ran = project.ran(id)
    samples = []
    for row in rows:
        record = json.loads(row["hyperParameters"][0])
        sample = record["parameters"]["mutation_summary"]
        samples.append(sample)
        mine = ran[row["trialJobId"]]
        assert mine["sample"] == sample
        assert row["finalMetricData"][0]["parameterId"] == str(record["parameter_id"])
        if sample.get("step") != "operators":
            assert mine["parameters"] == weights(sample)
            assert float(json.loads(json.loads(row["finalMetricData"][0]["data"]))) == -loss(sample)
        assert mine["model"] == ("Supernet" if sample.get("step") == "operators" else "Backbone")
    assert all(isinstance(value, str) for sample in samples for value in sample.values())
    assert {"stride_path", *(f"op_{layer:02d}" for layer in range(1, 7))} == declared.keys()

    assert len(top) == 2 and all(sample in samples for sample in top)
    assert exported == weights(top[0])
    if strategy == "random":
        assert loss(top[0]) <= loss(top[1]) <= min(loss(s) for s in samples if s not in top)
        return
    assert [sample["step"] for sample in samples] == ["path"] * 3 + ["operators", "train"]
    assert [sample["stride_path"] for sample in samples[:3]] == PATHS and samples[3]["stride_path"] == "BBBAA"
    best = min(samples[:3], key=loss)
    assert top[0] == samples[4] and top[1] == best and samples[3]["stride_path"] == best["stride_path"]
