// Loaded by preload.cjs into the process of NNI's manager: where trials run, and what happens until they do.
//
// A trial that is submitted is on the page at once, as WAITING, and the manager goes on: NNI waits here for a machine
// and a free GPU, and meanwhile keeps no maxExperimentDuration and is deaf to being stopped. Trials are placed in the
// order in which they were submitted, each under its own name. What keeps one waiting is told in the log and in the
// experiment's waiting.json.
'use strict';

const fs = require('fs');
const path = require('path');
const { trialName } = require('./page.cjs');

const MOST_MOVES = 3; // a trial that has brought down so many machines is not tried on another
const TOLD_AFTER = 5; // seconds that a trial has waited for somebody else's processes
const MOST_PATIENCE = 10; // seconds between two looks whether they have ended
const LOGGED_AGAIN = 180; // seconds

const NO_MACHINE = 'a trial waits for a machine: none can be reached; see log/nnimanager.log';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// `service` is the prototype of what submits trials; `nni` requires others of NNI's modules.
function mendService(service, nni) {
  const { cancelTrialJob, cleanUp } = service;

  service.submitTrialJob = async function (form) {
    const id = form.id || trialName(form) || nni('common/utils').uniqueString(5); // a trial that is resumed keeps its name
    const trial = { id, status: 'WAITING', workingDirectory: '_unset_', submitTime: Date.now(), form };
    const entry = { form: { ...form, id }, wanted: true, starting: false };
    this.trialJobs[id] = trial;
    waitingOf(this).set(id, entry);
    this.__autostrQueue = (this.__autostrQueue ?? this.startDeferred.promise)
      .then(() => begin(this, trial, entry, nni))
      .catch((error) => nni('common/log').getLogger('autostr').error(`Trial ${id}:`, error));
    return trial;
  };

  service.cancelTrialJob = async function (id, isEarlyStopped) {
    const entry = waitingOf(this).get(id);
    if (!entry) return cancelTrialJob.call(this, id, isEarlyStopped);
    entry.wanted = false;
    this.trialJobs[id].isEarlyStopped = Boolean(isEarlyStopped);
    if (!entry.starting) giveUp(this.trialJobs[id]);
  };

  // Take back the trials that have not begun, as if they had not been submitted; their forms.
  service.withdrawWaiting = function () {
    const entries = [...waitingOf(this).values()].filter((entry) => entry.wanted && !entry.starting);
    for (const entry of entries) {
      entry.wanted = false;
      waitingOf(this).delete(entry.form.id);
      delete this.trialJobs[entry.form.id];
    }
    return entries.map((entry) => entry.form);
  };

  service.cleanUp = function () {
    for (const entry of waitingOf(this).values()) entry.wanted = false;
    return cleanUp.call(this);
  };

  // What keeps the machines from being used is told as the experiment's error. NNI would just end.
  service.run = function () {
    fs.rmSync(fileOf(nni), { force: true }); // of a manager that was killed
    this.v3.emitter?.on('autostr_lost', (id) => move(this, id, nni));
    this.start().catch((error) => this.runDeferred.settled || this.runDeferred.reject(error));
    return this.runDeferred.promise;
  };
}

const waitingOf = (service) => (service.__autostrWaiting ??= new Map());

async function begin(service, trial, entry, nni) {
  const envId = await place(service, entry, nni);
  if (waitingOf(service).get(trial.id) === entry) waitingOf(service).delete(trial.id);
  if (envId === null) {
    if (service.trialJobs[trial.id] === trial) giveUp(trial);
    return;
  }
  Object.assign(trial, { envId, url: urlOf(service, envId, trial.id, nni) });
  if (!entry.wanted) await service.v3.stopTrial(trial.id);
}

function giveUp(trial) {
  Object.assign(trial, { status: trial.isEarlyStopped ? 'EARLY_STOPPED' : 'USER_CANCELED', endTime: Date.now() });
}

// Start a trial on its own machine if it has one, else on the one with the fewest trials; which one that is.
// Null if it is no longer wanted.
async function place(service, entry, nni) {
  const { form } = entry;
  const log = nni('common/log').getLogger('autostr');
  const told = new Waiting(service, form.id, nni);
  const placed = (service.__autostrPlaced ??= new Map());
  const tried = new Set();
  let own = form.envId;
  service.allocatedParameters.set(form.id, form.hyperParameters.value);
  while (entry.wanted) {
    const envId = service.environments.some((env) => env.id === own) ? own : freest(service, placed, tried);
    own = undefined;
    if (envId === null) {
      tried.clear(); // no machine, or no free GPU, for now
      told.look();
      await pause(1000 * told.patience);
      continue;
    }
    tried.add(envId);
    placed.set(form.id, envId);
    entry.starting = true;
    try {
      const created = await withGpus(service.v3, gpusOf(form.hyperParameters.value), () => (
        service.v3.createTrial(envId, service.config.trialCommand, 'trial_code', form.sequenceId, form.id)));
      if (created !== null) {
        told.end();
        return envId;
      }
    } catch (error) {
      log.error('Exception when creating trial', form.id, ':', error);
    } finally {
      entry.starting = false;
    }
    placed.delete(form.id);
  }
  told.end();
  return null;
}

// GPUs of the trial with these parameters; undefined for those of the experiment. The operator search runs alone, and
// may have more.
function gpusOf(parameters) {
  if (!process.env.AUTOSTR_OPERATOR_GPUS) return undefined;
  return JSON.parse(parameters).parameters?.step === 'operators' ? Number(process.env.AUTOSTR_OPERATOR_GPUS) : undefined;
}

// `create` asks the experiment's settings how many GPUs a trial has; on other machines it sends files first. Meanwhile no
// other trial is created: the operator search runs alone.
async function withGpus(v3, number, create) {
  if (number === undefined) return create();
  const { config } = v3;
  const usual = config.trialGpuNumber;
  config.trialGpuNumber = number;
  try {
    return await create();
  } finally {
    config.trialGpuNumber = usual;
  }
}

function freest(service, placed, tried) {
  const ends = (id) => !['WAITING', 'RUNNING', undefined].includes(service.trialJobs[id]?.status);
  for (const id of [...placed.keys()].filter(ends)) placed.delete(id);
  const load = (env) => [...placed.values()].filter((envId) => envId === env.id).length;
  const [first] = service.environments.filter((env) => !tried.has(env.id)).sort((a, b) => load(a) - load(b));
  return first ? first.id : null;
}

const fileOf = (nni) => path.join(nni('common/globals').globals.paths.experimentRoot, 'waiting.json');

// What a trial waits for, as gpus.cjs tells it of each machine.
class Waiting {
  constructor(service, id, nni) {
    Object.assign(this, { service, id, since: Date.now(), logged: -Infinity, told: null });
    this.log = nni('common/log').getLogger('autostr');
    this.file = fileOf(nni);
  }

  look() {
    const now = Date.now();
    if (now - this.since < 1000 * TOLD_AFTER) return;
    const machines = this.service.environments;
    const reasons = machines.length === 0 ? [NO_MACHINE] : machines.flatMap((env) => this.reason(env));
    const told = reasons.length > 0 ? reasons.join('; ') : null;
    if (told !== null && (told !== this.told || now - this.logged > 1000 * LOGGED_AGAIN)) {
      this.logged = now;
      this.log.warning(`Trial ${this.id}: ${told}`);
    }
    if (told === this.told) return;
    this.told = told;
    if (told === null) {
      fs.rmSync(this.file, { force: true });
    } else {
      fs.writeFileSync(`${this.file}.part`, JSON.stringify({ trial: this.id, since: this.since, told }));
      fs.renameSync(`${this.file}.part`, this.file);
    }
  }

  // Seconds until the next try: a trial of ours may end at any moment, others are not asked about so often.
  get patience() {
    return this.told === null ? 1 : Math.min(MOST_PATIENCE, 1 + (Date.now() - this.since) / 10_000);
  }

  reason(env) {
    const { waiting } = env.gpu ?? this.service.v3.trialKeeper?.envInfo?.gpu ?? {};
    return waiting ? [env.host ? `machine ${env.host}: ${waiting}` : waiting] : [];
  }

  end() {
    if (this.told !== null) fs.rmSync(this.file, { force: true });
  }
}

// The machine of a trial is lost: the trial goes on elsewhere, under its name.
async function move(service, id, nni) {
  const trial = service.trialJobs[id];
  trial.__autostrMoves = (trial.__autostrMoves || 0) + 1;
  if (trial.__autostrMoves > MOST_MOVES) {
    service.v3.emitter.emit('trial_stop', id, Date.now(), null);
    return;
  }
  nni('common/log').getLogger('autostr').warning(`The machine of trial ${id} is lost; the trial is started on another.`);
  const ended = service.v3.ended;
  const entry = { form: { ...trial.form, id, envId: undefined }, get wanted() { return !ended.has(id); } };
  const envId = await place(service, entry, nni);
  if (envId === null) return;
  Object.assign(trial, { envId, url: urlOf(service, envId, id, nni) });
  if (ended.has(id)) await service.v3.stopTrial(id); // it was cancelled meanwhile
}

function urlOf(service, envId, id, nni) {
  const { globals } = nni('common/globals');
  const env = service.environments.find((item) => item.id === envId);
  if (env && env.host) {
    return `${env.host}:~/nni-experiments/${globals.args.experimentId}/environments/${envId}/trials/${id}`;
  }
  return path.join(globals.paths.experimentRoot, 'environments', envId, 'trials', id);
}

// When the experiment's time is up, trials that have not begun are no reason to wait: a resumed experiment runs them.
function mendManager(manager) {
  const look = manager.stopTrialIfOverMaxDurationLimit;
  manager.stopTrialIfOverMaxDurationLimit = async function () {
    await look.call(this);
    if (this.experimentProfile.execDuration <= this.maxDuration) return;
    const forms = this.trainingService.withdrawWaiting?.() ?? [];
    for (const { id } of forms) this.trialJobs.delete(id);
    this.currSubmittedTrialNum -= forms.length;
    this.waitingTrials.unshift(...forms);
  };
}

module.exports = { mendManager, mendService };
