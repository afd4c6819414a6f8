"""A trial that NNI stopped early leaves no result, and counts all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autostr_nni.cli.nets import best_net
from autostr_nni.runs.layout import BEST, NNI_STATE, PARAMETERS
from autostr_nni.runs.summary import summary_of


def trial(search: Path, name: str, **result: Any) -> dict[str, Any]:
    """The folder of a trained net; its parameters."""
    folder, parameters = search / "trials" / name, {"step": "train", "stride_path": name, "op_01": "k3e1"}
    folder.mkdir(parents=True)
    (folder / PARAMETERS).write_text(json.dumps({"parameters": parameters}))
    (folder / BEST).touch()
    if result:
        (folder / "result.json").write_text(json.dumps({"parameters": parameters, **result}))
    return parameters


def test_the_best_net_may_be_one_that_was_stopped(tmp_path: Path) -> None:
    trial(tmp_path, "whole", metrics={"default": 0.4, "loss": 2.0})
    stopped, failed = trial(tmp_path, "stopped"), trial(tmp_path, "failed")
    assert summary_of(tmp_path)["failed"] == ["failed", "stopped"]
    states = [
        {"id": "a", "parameters": stopped, "status": "done", "metrics": {"default": 0.9, "loss": 1.0}},
        {"id": "b", "parameters": failed, "status": "failed", "metrics": {"default": 0.95}},
    ]
    (tmp_path / NNI_STATE).write_text(json.dumps({"state": {"trials": states}}))
    found = summary_of(tmp_path)
    assert found["best"] is not None and found["best"]["trial"] == "stopped"
    assert [row["trial"] for row in found["architectures"]] == ["stopped", "whole"]
    assert found["failed"] == ["failed"]
    net = best_net(tmp_path)
    assert net is not None and net.folder == tmp_path / "trials" / "stopped"
