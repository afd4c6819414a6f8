"""What NNI's page asks for about a `NasExperiment`: stride path and operations in words, nothing packed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib import get_cachedir

pytestmark = pytest.mark.slow("runs NNI")

EVALUATE = """
import nni

def evaluate(model):
    nni.report_intermediate_result({"default": 0.25, "loss": 3.0})
    nni.report_final_result({"default": 0.5, "loss": 2.0})
"""

# The answers to what the page requests, as it gets them.
SEARCH = """
import json
import requests
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.strategy import Random
from autostr_nni.nas.experiment import NasExperiment
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from autostr_nni.search_spaces.space import SearchSpace
from evaluation import evaluate

small = SearchSpace(
    height=32, width=32, out_width=8, stem_width=4, stage_widths=(4, 4, 4, 8, 8),
    stage_layers=(1, 2, 1, 1, 1), operations=("k3e1", "k5e3", "skip"),
)
experiment = NasExperiment(AutoSTRSpace(small, typical=True), FunctionalEvaluator(evaluate), Random(seed=3))
experiment.config.trial_concurrency = 2
experiment.config.max_trial_number = 2
experiment.config.experiment_working_directory = "nni-experiments"
experiment.run()
session = requests.Session()
session.trust_env = False
answers = {}
requested = "experiment experiment-metadata trial-jobs metric-data job-statistics check-status"
for name in requested.split():
    answers[name] = session.get(f"http://127.0.0.1:{experiment.port}/api/v1/nni/{name}").text
experiment.stop()
print(json.dumps(answers))
"""

OPERATIONS = {"k3e1", "k5e3", "skip"}
LAYERS = [f"op_{layer:02d}" for layer in range(1, 7)]


def test_rows_in_words(project: Any) -> None:
    folder: Path = project.folder
    (folder / "evaluation.py").write_text(EVALUATE)
    (folder / "search.py").write_text(SEARCH)
    project.environment["MPLCONFIGDIR"] = get_cachedir()  # no list of fonts to be made in the new home
    done = project.popen([sys.executable, "search.py"])
    output, errors = done.communicate(timeout=300)
    told = set(re.findall(r"http://(\d+\.\d+\.\d+\.\d+):", "".join(output.splitlines()[:-1]) + errors))
    assert "Web portal URL: " in output + errors and told == {"127.0.0.1"}
    assert done.returncode == 0, errors
    assert project.processes() == []
    answers: dict[str, str] = json.loads(output.strip().splitlines()[-1])
    for text in answers.values():
        assert "__nni_obj__" not in text and "gAS" not in text  # pickles, as NNI packs what it cannot write

    rows = json.loads(answers["trial-jobs"])
    assert len(rows) == 2
    declared = json.loads(answers["experiment"])["params"]["searchSpace"]
    assert declared.keys() == {"stride_path", *LAYERS}
    for row in rows:
        (packed,) = row["hyperParameters"]
        shown = json.loads(packed)["parameters"]["mutation_summary"]  # what the page shows as parameters
        assert shown.keys() == declared.keys()
        for name, value in shown.items():  # and draws on the axes of the hyper-parameter graph
            assert value in declared[name]["_value"]
        assert {shown[layer] for layer in LAYERS} <= OPERATIONS
        assert sorted(shown["stride_path"]) == ["A", "A", "B", "B", "B"]
        final = json.loads(json.loads(row["finalMetricData"][0]["data"]))
        assert final == {"default": 0.5, "loss": 2.0}
    metadata = json.loads(answers["experiment-metadata"])
    assert metadata["platform"] == "local" and metadata["id"] == json.loads(answers["experiment"])["id"]
    assert {report["type"] for report in json.loads(answers["metric-data"])} == {"PERIODICAL", "FINAL"}
    assert json.loads(answers["check-status"])["errors"] == []
