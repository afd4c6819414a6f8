// Loaded by preload.cjs into the process of NNI's manager: shortens what it waits for.
//
// 1. It looks twice a second whether a trial has ended, and submits the next one only at the look after that. Here
//    it looks ten times a second.
// 2. Before the first trial it starts Python and imports NNI there (a second and more) to ask for NNI's version,
//    which the command that starts it knows: AUTOSTR_VERSIONS has the answer, as that program would give it.
// 3. At the end it asks once a second whether the tuner has ended, which takes up to three seconds to notice that
//    it is to. Here it asks more often, and when the experiment is done it waits no longer than half a second:
//    everything is on disk by then.
// 4. It then waits five seconds for connections that nobody uses any more. Here it closes them.
'use strict';

const Module = require('module');
const http = require('http');

const LOOK = 0.1; // seconds between looks at local and remote trials; NNI's own is 0.5 there, and 5 elsewhere
const TUNER_ENDS = { done: 0.5, else: 30 }; // seconds
const VERSIONS = 'nni.tools.nni_manager_scripts.collect_version_info';

const versions = process.env.AUTOSTR_VERSIONS;
delete process.env.AUTOSTR_VERSIONS;

const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (request.endsWith('pythonScript') && loaded.runPythonModule) knowVersions(loaded);
  const manager = request.endsWith('nnimanager') && loaded.NNIManager;
  if (manager && !manager.prototype.__autostrWaits) shorten(manager.prototype);
  return loaded;
};

function knowVersions(scripts) {
  if (!versions || scripts.__autostrVersions) return;
  scripts.__autostrVersions = true;
  const run = scripts.runPythonModule;
  scripts.runPythonModule = (name, args) => (name === VERSIONS ? Promise.resolve(versions) : run(name, args));
}

function shorten(manager) {
  manager.__autostrWaits = true;

  const init = manager.initTrainingService;
  manager.initTrainingService = async function (config) {
    const service = await init.call(this, config);
    if (this.pollInterval <= 0.5) this.pollInterval = LOOK;
    return service;
  };

  const stop = manager.stopExperimentTopHalf;
  manager.stopExperimentTopHalf = async function () {
    const patience = this.status.status === 'DONE' ? TUNER_ENDS.done : TUNER_ENDS.else;
    const tuner = this.dispatcherPid;
    this.dispatcherPid = 0; // so that NNI's own part only tells the tuner to end
    await stop.call(this);
    const deadline = Date.now() + 1000 * patience;
    while (tuner > 0 && signal(tuner, 0)) {
      if (Date.now() > deadline) {
        signal(tuner, 'SIGKILL');
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
}

const close = http.Server.prototype.close;
http.Server.prototype.close = function (...args) {
  const closing = setInterval(() => this.closeIdleConnections?.(), 100);
  closing.unref();
  this.once('close', () => clearInterval(closing));
  return close.apply(this, args);
};

function signal(pid, name) {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
