"""NNI's page in a real browser, 1400 pixels wide and without internet: what its user sees without a click."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nni_node
import pytest
import yaml

from autostr_nni.nni.manager.rest import Manager
from autostr_nni.nni.rows import final_metrics, parameters_of
from tests.nni.page import browser

pytestmark = pytest.mark.slow("runs NNI, and a browser where there is one")

# Stands for training: the figures that trials of ours report, at once. The first path fails once.
TRIAL = """
import os, random, sys
from autostr_nni.nni.trial_side.parameters import own_parameter
from autostr_nni.trial import Reports

mine = own_parameter()
if os.environ["NNI_TRIAL_SEQ_ID"] == "0":
    sys.exit("failed on purpose")
draw, step = random.Random(str(mine)).uniform, mine["step"]
reports = Reports(step)
for epoch in range(2):
    accuracy = {"path": 0.9, "operators": 0.0, "train": 0.5}[step]
    metrics = dict(
        default=accuracy, loss=draw(1, 2), training_loss=1.0, case_sensitive=0.5, one_minus_ned=0.5,
        words=100, macs_m=draw(20, 40), params_m=draw(1, 2), expected_macs_m=30.0, entropy=1.0,
        epoch=epoch, images_seen=4000, seconds=1.0,
    )
    reports(metrics, False)
if step == "operators":
    metrics["architecture"] = mine["stride_path"] + ":" + ",".join(["k5e6"] * 15)
reports(metrics, True)
"""
RECIPE = {"search": {"path": {"paths": ["AABBB", ".A.A..B..B..B.."]}}}

TITLES = """[...document.querySelectorAll('.parcoords .label')].map(title => {
    const box = title.getBoundingClientRect();
    return [title.textContent, box.left, box.right];
})"""
TEXTS = "[...document.querySelectorAll('.parcoords text')].map(text => text.getBoundingClientRect().left)"
ICONS = """[...document.querySelectorAll('i[data-icon-name]')].map(icon =>
    [icon.dataset.iconName, getComputedStyle(icon).fontFamily, icon.textContent.codePointAt(0)])"""
FONTS = "document.fonts.ready.then(fonts => [...fonts].map(font => [font.family, font.status]))"

needs_a_browser = pytest.mark.skipif(
    browser.found() is None, reason=f"no browser here; needs one of: {', '.join(browser.NAMES)}"
)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_words: Path, quiet_environment: dict[str, str]
) -> Iterator[str]:
    """The address of the page of a whole two-step search over the paper's fifteen layers."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "trial.py").write_text(TRIAL)
    data = {"train": [str(tiny_words / "train")], "validation": [str(tiny_words / "validation")]}
    (folder / "recipe.yml").write_text(yaml.safe_dump({"data": data, **RECIPE}))
    tuner = "autostr_nni.nni.tuner.TwoStepTuner"
    config = {
        "trialCommand": "python trial.py",
        "trialConcurrency": 2,
        "tuner": {"className": tuner, "classArgs": {"recipe": "recipe.yml"}},
        "trainingService": {"platform": "local"},
    }
    (folder / "search.yml").write_text(yaml.safe_dump(config))
    environment = {**quiet_environment, "HOME": str(folder), "NNI_CONFIG_DIR": str(folder / "nni")}
    command = [sys.executable, "-m", "autostr_nni.cli.main", "search", "search.yml", "--detach"]
    started = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=200
    )
    found = re.search(r"page: (\S+)/  experiment: (\w+)", started.stdout)
    assert found is not None, started.stdout
    yield found[1]
    stop = [sys.executable, "-m", "nni.tools.nnictl.nnictl", "stop", found[2]]
    subprocess.run(stop, env=environment, check=True, capture_output=True, timeout=200)


@pytest.fixture(scope="module")
def counts() -> list[int | None]:
    """What the page was told that the number of trials is, from the start on."""
    return []


@pytest.fixture(scope="module")
def rows(finished: str, counts: list[int | None]) -> list[dict[str, Any]]:
    """NNI's list of trials once all have ended."""
    manager = Manager(finished)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        counts.append(manager.get("experiment")["params"].get("maxTrialNumber"))
        if manager.get("check-status")["status"] == "DONE":
            return list(manager.get("trial-jobs"))
        time.sleep(0.2)
    raise AssertionError(manager.get("check-status"))


@pytest.fixture
def tab(rows: list[dict[str, Any]], tmp_path: Path) -> Iterator[browser.Tab]:
    with browser.browser(tmp_path, width=1400) as opened:
        yield opened


def test_the_count_of_trials_is_told_from_the_start(
    rows: list[dict[str, Any]], counts: list[int | None]
) -> None:
    assert len(rows) == 5  # two paths, of which one was repeated, the operator search and the net
    assert counts[0] == 4 and counts[-1] == 5
    assert set(counts) == {4, 5}


def test_names_tell_step_and_path(rows: list[dict[str, Any]]) -> None:
    names = {row["trialJobId"] for row in rows}
    assert {"path-AABBB-0", "path-.A.A..B..B..B..-1"} <= names
    for row in rows:
        told = parameters_of(row)
        assert row["trialJobId"] == f"{told['step']}-{told['stride_path']}-{row['sequenceId']}"


def test_what_a_final_report_means(rows: list[dict[str, Any]]) -> None:
    """Short, and read back as the trial's own metrics: `default` is the accuracy again."""
    for row in rows[1:]:
        metrics = final_metrics(row)
        assert metrics is not None
        step = parameters_of(row)["step"]
        assert metrics["default"] == {"path": 0.9, "operators": 0.0, "train": 0.5}[step]
        assert ("architecture" in metrics) == (step == "operators")
        assert metrics.keys() <= {"default", "loss", "macs_m", "params_m", "architecture"}


@needs_a_browser
def test_overview(finished: str, tab: browser.Tab) -> None:
    tab.open(f"{finished}/oview")
    tab.until("document.querySelectorAll('.succTable [data-automationid=DetailsRow]').length == 3")
    text = tab.value("document.body.innerText")
    assert "path-AABBB-" in text and "train-" in text
    assert "Infinity" not in tab.value("document.querySelector('.trialCount').innerText")
    # The paths read 90 % of short words, the net 50 % of all: the best is the net.
    assert "0.500000" in tab.value("document.querySelector('.focus-status-metric').innerText").split()
    check_icons(tab, least=3)


@needs_a_browser
def test_details(finished: str, tab: browser.Tab) -> None:
    tab.open(f"{finished}/detail")
    tab.until("document.querySelectorAll('#tableList [data-automationid=DetailsRow]').length == 5")
    text = tab.value("document.querySelector('#tableList').innerText")
    for name in ("path-AABBB-0", "path-.A.A..B..B..B..-1", "operators-", "train-"):
        assert name in text
    (searched,) = (line for line in text.split("operators-")[1:])
    assert "--" in searched.split("train-")[0]  # the operator search's own accuracy means nothing
    tab.value("[...document.querySelectorAll('[role=tab]')].find(e => /Hyper/.test(e.innerText)).click()")
    tab.until("document.querySelectorAll('.parcoords .label').length > 17")
    titles = sorted(tab.value(TITLES), key=lambda title: title[1])
    assert len(titles) == 2 + 15 + 5  # step, path, operations; default, accuracy, loss, MACs, parameters
    for (name, _, right), (following, left, _) in zip(titles, titles[1:], strict=False):
        assert right <= left, f"{name} lies upon {following}"
    left = tab.value("document.querySelector('.parameter').getBoundingClientRect().left")
    assert min(tab.value(TEXTS)) >= left  # "operators", at the leftmost axis, is whole
    check_icons(tab, least=10)
    assert tab.errors == []


def check_icons(tab: browser.Tab, least: int) -> None:
    """Every icon is drawn, and nothing was asked of another host."""
    from fontTools.ttLib import TTFont

    icons = tab.value(ICONS)
    assert len(icons) >= least
    assert {family for _, family, _ in icons} == {"codicon"}
    assert ["codicon", "loaded"] in tab.value(FONTS)
    (font,) = Path(nni_node.__file__ or "").parent.glob("static/static/media/codicon*")
    drawn = TTFont(font).getBestCmap()
    assert [name for name, _, code in icons if code not in drawn] == []
    elsewhere = [url for url in tab.requested if not url.startswith(("http://127.0.0.1:", "data:"))]
    assert elsewhere == []
