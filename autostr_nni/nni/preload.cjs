// Loaded into the process of NNI's manager with NODE_OPTIONS="--require THIS". It mends four things of NNI 3.0:
//
// 1. The manager hands parameters to trials in the order in which they ask (microsoft/nni issue 5726). Here a
//    trial gets its name before it is started and its parameter is kept under that name.
// 2. The manager listens on every interface and asks for no password. Here it listens on loopback only, unless
//    AUTOSTR_HOST names another address.
//
// 3. When an experiment is resumed, trials get numbers that others have, and a trial that is cut short a second
//    time before it has started again is forgotten.
// 4. The tuner has ten seconds to connect, which a busy machine does not keep. Here it has longer, while it lives.
//
// It also ends the manager when the process that started it (AUTOSTR_OWNER) is gone. `warm.cjs` starts the process
// that keeps imports warm for trials, `waits.cjs` shortens waits, `places.cjs` minds paths. Trials on other machines
// are remote.cjs's, also in the process that keeps them there.
'use strict';

const Module = require('module');
const net = require('net');
const remote = require('./remote.cjs');

const LOOPBACK = '127.0.0.1';
const host = process.env.AUTOSTR_HOST || LOOPBACK;
const owner = Number(process.env.AUTOSTR_OWNER || 0);

// The manager's own children (tuner, trials) must not load this file; they are told that it is at work.
if (process.env.AUTOSTR_NODE_OPTIONS) {
  process.env.NODE_OPTIONS = process.env.AUTOSTR_NODE_OPTIONS;
} else {
  delete process.env.NODE_OPTIONS;
}
process.env.AUTOSTR_OWN_PARAMETERS = '1';

// --- addresses -----------------------------------------------------------------------------------------------

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] !== 'number' || typeof args[1] === 'string') {
    return listen.apply(this, args);
  }
  const everywhere = host === '0.0.0.0' || host === '::';
  args.splice(1, 0, everywhere ? host : LOOPBACK);
  if (!everywhere) {
    // NNI's own parts always speak to "localhost", which is ::1 first on some machines.
    this.once('listening', () => alsoListen(this, host === LOOPBACK ? ['::1'] : ['::1', host]));
  }
  return listen.apply(this, args);
};

function alsoListen(server, hosts) {
  for (const address of hosts) {
    const door = net.createServer({ allowHalfOpen: true }, (socket) => server.emit('connection', socket));
    door.on('error', (error) => {
      // No IPv6 on this machine is no fault; an address that was asked for is.
      if (address === host) console.error(`autostr: cannot listen on ${address}: ${error.message}`);
    });
    listen.call(door, server.address().port, address);
    server.once('close', () => door.close());
    door.unref();
  }
}

// --- a parameter reaches its own trial -------------------------------------------------------------------------

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function submitTrialJob(form) {
  const { uniqueString } = requireOf(this, 'common/utils');
  await this.startDeferred.promise;
  const id = form.id || uniqueString(5); // a trial that is resumed keeps its name
  const envId = await place(this, id, form);
  const trial = this.trialJobs[id] || { id, status: 'WAITING', workingDirectory: '_unset_' };
  Object.assign(trial, { submitTime: Date.now(), form, envId, url: trialUrl(this, envId, id) });
  this.trialJobs[id] = trial;
  return trial;
}

// Start a trial on its own machine if it has one, else on the one with the fewest trials; which one that is.
// `wanted` tells whether it is still asked for; null if it is not.
async function place(service, id, form, wanted = () => true) {
  const logger = requireOf(service, 'common/log').getLogger('autostr');
  const placed = (service.__autostrPlaced ??= new Map());
  const tried = new Set();
  let own = form.envId;
  service.allocatedParameters.set(id, form.hyperParameters.value);
  while (wanted()) {
    const envId = service.environments.some((env) => env.id === own) ? own : freest(service, placed, tried);
    own = undefined;
    if (envId === null) {
      tried.clear();
      await pause(1000); // no machine, or no free GPU, for now
      continue;
    }
    tried.add(envId);
    placed.set(id, envId);
    try {
      const created = await service.v3.createTrial(envId, service.config.trialCommand, 'trial_code', form.sequenceId, id);
      if (created !== null) return envId;
    } catch (error) {
      logger.error('Exception when creating trial', id, ':', error);
    }
    placed.delete(id);
  }
  return null;
}

function freest(service, placed, tried) {
  const ends = (id) => !['WAITING', 'RUNNING', undefined].includes(service.trialJobs[id]?.status);
  for (const id of [...placed.keys()].filter(ends)) placed.delete(id);
  const load = (env) => [...placed.values()].filter((envId) => envId === env.id).length;
  const [first] = service.environments.filter((env) => !tried.has(env.id)).sort((a, b) => load(a) - load(b));
  return first ? first.id : null;
}

// The machine of a trial is lost: the trial goes on elsewhere, under its name.
const MOST_MOVES = 3; // a trial that has brought down so many machines is not tried on another

async function move(service, id) {
  const logger = requireOf(service, 'common/log').getLogger('autostr');
  const trial = service.trialJobs[id];
  while (!trial.form) await pause(100); // it has only just been started
  trial.__autostrMoves = (trial.__autostrMoves || 0) + 1;
  if (trial.__autostrMoves > MOST_MOVES) {
    service.v3.emitter.emit('trial_stop', id, Date.now(), null);
    return;
  }
  logger.warning(`The machine of trial ${id} is lost; the trial is started on another.`);
  const envId = await place(service, id, { ...trial.form, envId: undefined }, () => !service.v3.ended.has(id));
  if (envId === null) return;
  Object.assign(trial, { envId, url: trialUrl(service, envId, id) });
  if (service.v3.ended.has(id)) await service.v3.stopTrial(id); // it was cancelled meanwhile
}

// What keeps the machines from being used is told as the experiment's error. NNI would just end.
function run() {
  this.v3.emitter?.on('autostr_lost', (id) => move(this, id));
  this.start().catch((error) => this.runDeferred.settled || this.runDeferred.reject(error));
  return this.runDeferred.promise;
}

function trialUrl(service, envId, id) {
  const { globals } = requireOf(service, 'common/globals');
  const env = service.environments.find((item) => item.id === envId);
  if (env && env.host) {
    return `${env.host}:~/nni-experiments/${globals.args.experimentId}/environments/${envId}/trials/${id}`;
  }
  return require('path').join(globals.paths.experimentRoot, 'environments', envId, 'trials', id);
}

const load = Module._load;
const requireOf = (service, name) => load.call(Module, name, service.__autostrParent, false);
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  const service = loaded && loaded.V3asV1;
  if (service && !service.prototype.__autostrParent) {
    service.prototype.__autostrParent = parent;
    service.prototype.submitTrialJob = submitTrialJob;
    service.prototype.run = run;
  }
  if (parent && /remote_v3/.test(parent.filename)) remote.mend(loaded, (name) => load.call(this, name, parent, false));
  const manager = loaded && loaded.NNIManager;
  if (manager && !manager.prototype.__autostr) mendManager(manager.prototype);
  const store = loaded && loaded.NNIDataStore;
  if (store && !store.prototype.__autostr) mendStatus(store.prototype);
  return loaded;
};

// --- resumed experiments, and busy machines ----------------------------------------------------------------------

function mendManager(manager) {
  manager.__autostr = true;
  const run = manager.run;
  manager.run = function () {
    this.dispatcher.init = () => connected(this.dispatcher.connect, this.dispatcherPid);
    return run.call(this);
  };
  const recover = manager.addRecoveredTrialJob;
  manager.addRecoveredTrialJob = function (jobs) {
    const recovered = recover.call(this, jobs);
    const numbers = jobs.map((job) => job.sequenceId).filter((number) => number !== undefined);
    this.experimentProfile.nextSequenceId = Math.max(-1, ...numbers) + 1;
    return recovered;
  };
}

const TUNER_PATIENCE = 90; // seconds

async function connected(connection, pid) {
  for (let waited = 0; !connection.settled; waited += 0.2) {
    if (waited > TUNER_PATIENCE) throw new Error(`The tuner did not connect in ${TUNER_PATIENCE} seconds; see dispatcher.log.`);
    if (pid > 0 && !alive(pid)) throw new Error('The tuner ended before it connected; see dispatcher.log.');
    await pause(200);
  }
}

function alive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function mendStatus(store) {
  store.__autostr = true;
  const status = store.getJobStatusByLatestEvent;
  store.getJobStatusByLatestEvent = function (before, event) {
    return event === 'ADD_RESUMED' ? 'WAITING' : status.call(this, before, event);
  };
  // A trial that goes on, or is run again after its last report, may send what it has sent: kept once.
  const keep = store.storeMetricData;
  store.storeMetricData = async function (id, data) {
    const { type, sequence, value } = JSON.parse(data);
    const kept = type === 'REQUEST_PARAMETER' ? [] : await this.db.queryMetricData(id, type);
    if (kept.some((report) => report.sequence === sequence && report.data === JSON.stringify(value))) return;
    await keep.call(this, id, data);
  };
}

// --- no manager without its owner ------------------------------------------------------------------------------

if (owner) {
  setInterval(() => {
    if (process.ppid !== owner) process.kill(process.pid, 'SIGTERM');
  }, 1000).unref();
}

require('./places.cjs');
require('./waits.cjs');
require('./warm.cjs');

// --- on a machine that runs trials for another -------------------------------------------------------------------

if (/trial_keeper[\\/]main\.js$/.test(process.argv[1] || '')) remote.mendKeeper();
