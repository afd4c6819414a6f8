"""What NNI's manager writes down of trials that end between two of its looks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nni_node
import pytest

from autostr_nni.nni.manager.launcher import PRELOAD

NNI_NODE = Path(nni_node.__path__[0])
# The manager's own look at its trials, over a database that takes so long that the trial ends meanwhile.
LOOKS = """
const [nni, stopping, end] = process.argv.slice(1);
require(`${nni}/node_modules/app-module-path`).addPath(nni); // as NNI's main does
require(stopping);
Object.assign(require(`${nni}/common/globals`).default, {
  args: { logLevel: 'error' }, rest: { urlJoin() {}, registerWebSocketHandler() {} },
});
const { V3asV1 } = require(`${nni}/training_service/v3/compat.js`);
const { NNIManager } = require(`${nni}/core/nnimanager.js`);
const service = Object.create(V3asV1.prototype);
const trial = { id: 'path-A-0', status: 'RUNNING', form: { hyperParameters: { value: '{}' } } };
service.trialJobs = { [trial.id]: trial };
const written = [];
const told = [];
const manager = Object.create(NNIManager.prototype);
Object.assign(manager, {
  trainingService: service,
  trialJobs: new Map([[trial.id, { ...trial, status: 'WAITING' }]]),
  dispatcher: { sendCommand: (command, content) => told.push(JSON.parse(content).event) },
  dataStore: { storeTrialJobEvent: async (status) => { written.push(status); trial.status = end; } },
  log: { info() {} },
});
(async () => {
  for (let look = 0; look < 3; look += 1) await manager.requestTrialJobsStatus();
  console.log(JSON.stringify({ written, told }));
})();
"""


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED"])
def test_a_trial_that_ends_while_its_start_is_written(end: str) -> None:
    """Its end is written too, and told once."""
    stopping = str(PRELOAD.with_name("stopping.cjs"))
    command = [str(NNI_NODE / "node"), "-e", LOOKS, str(NNI_NODE), stopping, end]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"written": ["RUNNING", end], "told": [end]}
