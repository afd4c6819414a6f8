"""What a trial waits for is told at once, when it changes, and every few minutes; nobody else waits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nni_node

from autostr_nni.nni.manager.launcher import PRELOAD
from autostr_nni.nni.manager.waiting import AGAIN, FILE, Waiting


def test_when_it_is_told(tmp_path: Path) -> None:
    now = [0.0]
    waiting = Waiting(tmp_path, clock=lambda: now[0])
    assert waiting.due() is None

    def write(told: str) -> None:
        (tmp_path / FILE).write_text(json.dumps({"trial": "a", "since": 0, "told": told}))

    write("GPU 0 is in use")
    assert waiting.due() == "GPU 0 is in use" and waiting.due() is None
    now[0] = AGAIN - 1
    assert waiting.due() is None
    now[0] = AGAIN
    assert waiting.due() == "GPU 0 is in use" and waiting.due() is None
    write("GPU 1 is in use")
    assert waiting.due() == "GPU 1 is in use"
    (tmp_path / FILE).unlink()
    assert waiting.due() == "the wait is over" and waiting.due() is None


PLACED = """
const placing = require(process.argv[2]);
const globals = { args: { experimentId: 'e' }, paths: { experimentRoot: process.argv[3] } };
const quiet = { info() {}, warning() {}, error(...words) { console.error(...words); } };
let names = 0;
const parts = {
  'common/globals': { globals },
  'common/log': { getLogger: () => quiet },
  'common/utils': { uniqueString: () => `trial${names++}` },
};
class Service {
  constructor(free) {
    const v3 = { createTrial: async (env, command, folder, number, id) => (this.free-- > 0 ? id : null) };
    v3.stopTrial = async (id) => { this.stopped.push(id); };
    Object.assign(this, { free, v3, stopped: [], trialJobs: {}, allocatedParameters: new Map() });
    Object.assign(this, { environments: [{ id: 'env' }], config: {} });
    this.startDeferred = { promise: Promise.resolve() };
  }
  async cancelTrialJob(id) { this.stopped.push(id); }
  async cleanUp() {}
}
placing.mendService(Service.prototype, (name) => parts[name]);
class Manager {
  constructor(service) {
    Object.assign(this, { trainingService: service, trialJobs: new Map(), waitingTrials: [] });
    Object.assign(this, { currSubmittedTrialNum: 0, maxDuration: 10 });
    this.experimentProfile = { execDuration: 11 };
  }
  async stopTrialIfOverMaxDurationLimit() {}
}
placing.mendManager(Manager.prototype);
const form = (sequenceId) => ({ sequenceId, hyperParameters: { value: '{}' } });
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));
"""
TAKEN_BACK = """
(async () => {
  const service = new Service(1);
  const manager = new Manager(service);
  for (const number of [0, 1, 2]) { // returns at once, whatever is free
    const trial = await service.submitTrialJob(form(number));
    manager.trialJobs.set(trial.id, trial);
    manager.currSubmittedTrialNum += 1;
  }
  await soon();
  const placed = Object.values(service.trialJobs).map((trial) => trial.envId ?? null);
  await service.cancelTrialJob('trial2');
  const cancelled = service.trialJobs.trial2.status;
  await manager.stopTrialIfOverMaxDurationLimit();
  const left = [...manager.trialJobs.keys()];
  const again = manager.waitingTrials.map((waiting) => [waiting.id, waiting.sequenceId]);
  const submitted = manager.currSubmittedTrialNum;
  console.log(JSON.stringify({ placed, cancelled, left, again, submitted, stopped: service.stopped }));
  await service.cleanUp(); // else it tries for ever
})();
"""
TOLD = """
const fs = require('fs');
const now = Date.now;
let later = 0;
Date.now = () => now() + later;
const file = `${process.argv[3]}/waiting.json`;
const told = () => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)).told : null);
const found = [];
const look = async () => {
  await new Promise((resolve) => setTimeout(resolve, 1900));
  found.push(told());
};
(async () => {
  const service = new Service(0);
  service.environments = [];
  await service.submitTrialJob(form(0));
  await soon();
  found.push(told());
  later = 6000; // milliseconds
  await look();
  service.environments = [{ id: 'env', host: 'there', gpu: { waiting: 'GPU 0 is in use' } }];
  await look();
  service.free = 1;
  await look();
  console.log(JSON.stringify({ found, placed: service.trialJobs.trial0.envId }));
})();
"""


def run(script: str, folder: Path) -> Any:
    """What a script over placing.cjs prints."""
    (folder / "script.cjs").write_text(PLACED + script)
    node = Path(next(iter(nni_node.__path__))) / "node"
    command = [str(node), str(folder / "script.cjs"), str(PRELOAD.with_name("placing.cjs")), str(folder)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_a_manager_is_never_kept_by_a_trial_that_waits(tmp_path: Path) -> None:
    """Three trials and room for one: one is cancelled, and one is taken back when the time is up."""
    assert run(TAKEN_BACK, tmp_path) == {
        "placed": ["env", None, None],
        "cancelled": "USER_CANCELED",
        "left": ["trial0", "trial2"],
        "again": [["trial1", 1]],
        "submitted": 2,
        "stopped": [],
    }


def test_what_a_trial_waits_for_is_written_down_until_it_is_placed(tmp_path: Path) -> None:
    no_machine = "a trial waits for a machine: none can be reached; see log/nnimanager.log"
    found = [None, no_machine, "machine there: GPU 0 is in use", None]
    assert run(TOLD, tmp_path) == {"found": found, "placed": "env"}
