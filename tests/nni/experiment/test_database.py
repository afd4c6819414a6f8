"""NNI's database of an experiment, as a manager that was killed leaves it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autostr_nni.nni.experiment.database import read_database
from autostr_nni.nni.experiment.stored import read_stored
from autostr_nni.runs.layout import DATABASE
from autostr_nni.system.errors import InputError

TABLES = """
CREATE TABLE TrialJobEvent (timestamp, trialJobId, event, data, logPath, sequenceId, message, envId);
CREATE TABLE MetricData (timestamp, trialJobId, parameterId, type, sequence, data);
CREATE TABLE ExperimentProfile
  (params, id, execDuration, startTime, endTime, logDir, nextSequenceId, revision);
INSERT INTO ExperimentProfile VALUES ('{"tuner": {"className": "x"}}', 'EXP', 5, 0, NULL, '', 0, 0);
INSERT INTO MetricData VALUES (0, 'T', '0', 'PERIODICAL', 0, '1');
"""
KILLED = """
import os, signal, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA cache_size = 1")  # pages of the change go to the file before its end
base.execute("BEGIN")
for number in range(1000):
    base.execute("INSERT INTO MetricData VALUES (0, 'T', '0', 'PERIODICAL', ?, ?)", (number, "2" * 100))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file = tmp_path / "EXP" / DATABASE
    file.parent.mkdir(parents=True)
    base = sqlite3.connect(file)
    base.executescript(TABLES)
    base.close()
    return tmp_path / "EXP"


def test_a_change_that_a_kill_has_cut_is_taken_back(experiment: Path) -> None:
    file = experiment / DATABASE
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):  # what only looks cannot take it back
        sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True).execute("SELECT * FROM MetricData")
    assert read_stored(experiment).params == {"tuner": {"className": "x"}}
    assert [row[2] for row in read_database(experiment).reports] == ["1"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_change_that_is_being_made_is_not(experiment: Path) -> None:
    manager = sqlite3.connect(experiment / DATABASE, isolation_level=None)
    manager.execute("BEGIN")
    manager.execute("INSERT INTO MetricData VALUES (0, 'T', '0', 'PERIODICAL', 1, '2')")
    assert len(read_database(experiment).reports) == 1
    manager.execute("COMMIT")
    assert len(read_database(experiment).reports) == 2


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NNI's database cannot be used"):
        read_database(tmp_path)
    assert list(tmp_path.iterdir()) == []
