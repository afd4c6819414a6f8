// Loaded into the process of NNI's manager with NODE_OPTIONS="--require THIS". It mends four things of NNI 3.0:
//
// 1. The manager hands parameters to trials in the order in which they ask (microsoft/nni issue 5726). Here a
//    trial gets its name before it is started and its parameter is kept under that name (placing.cjs).
// 2. The manager listens on every interface and asks for no password. Here it listens on loopback only, unless
//    AUTOSTR_HOST names another address.
//
// 3. When an experiment is resumed, trials get numbers that others have, and a trial that is cut short a second
//    time before it has started again is forgotten.
// 4. The tuner has ten seconds to connect, which a busy machine does not keep. Here it has longer, while it lives.
//
// It also ends the manager when the process that started it (AUTOSTR_OWNER) is gone. `warm.cjs` starts the process
// that keeps imports warm for trials, `waits.cjs` shortens waits, `places.cjs` minds paths, `listing.cjs` the list of
// experiments, `page.cjs` the page, `stopping.cjs` what became of trials that have ended. GPUs are gpus.cjs's and
// trials on other machines remote.cjs's, both also in the process that keeps trials there.
'use strict';

const Module = require('module');
const net = require('net');
const gpus = require('./gpus.cjs');
const page = require('./page.cjs');
const placing = require('./placing.cjs');
const remote = require('../../remote/remote.cjs');

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

// --- NNI's modules, as they are loaded -------------------------------------------------------------------------

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  const nni = (name) => load.call(Module, name, parent, false);
  const service = loaded && loaded.V3asV1;
  if (service && !service.prototype.__autostr) {
    service.prototype.__autostr = true;
    placing.mendService(service.prototype, nni);
  }
  if (parent && /nni_node/.test(parent.filename)) gpus.mend(loaded, request, parent.filename, nni);
  if (parent && /remote_v3/.test(parent.filename)) remote.mend(loaded, nni);
  const manager = loaded && loaded.NNIManager;
  if (manager && !manager.prototype.__autostr) {
    mendManager(manager.prototype);
    placing.mendManager(manager.prototype);
  }
  const server = loaded && loaded.RestServer;
  if (server) page.mendServer(server.prototype, nni('common/globals').default);
  const store = loaded && loaded.NNIDataStore;
  if (store && !store.prototype.__autostr) mendStatus(store.prototype);
  return loaded;
};

// --- resumed experiments, and busy machines ----------------------------------------------------------------------

function mendManager(manager) {
  manager.__autostr = true;
  page.mendCount(manager);
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

require('./listing.cjs');
require('./places.cjs');
require('./stopping.cjs');
require('./waits.cjs');
require('./warm.cjs');

// --- on a machine that runs trials for another -------------------------------------------------------------------

if (/trial_keeper[\\/]main\.js$/.test(process.argv[1] || '')) remote.mendKeeper();
