// NNI's remote training service: trials on machines over SSH. Loaded by preload.cjs, it mends this of NNI 3.0:
//
// 1. Machines connect back to the manager's port, which must then be open to the network. Here they come back
//    through the SSH connection, unless AUTOSTR_HOST and nniManagerIp name an address for them.
// 2. Every start upgrades nni on the machine from the internet. Here nothing is installed: the machine must have
//    autostr_nni of the manager's version.
// 3. What trials write stays on the machine. Here it is fetched into trials/ID of the experiment's folder: the
//    checkpoint after every report, everything at the end.
// 4. A lost SSH connection ends the manager, a machine that comes back is not used again, and trials of a lost
//    machine are given up. Here they go on, on another machine, from the last checkpoint that was fetched.
// 5. Trials outlive a manager that is killed. Here they end with the connection to it.
// 6. Any host key is accepted. Here one that differs from the known_hosts file is refused.
'use strict';

const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const gpus = require('../manager/mended/gpus.cjs');
const files = require('./remote_files.cjs');
const ssh = require('./remote_ssh.cjs');

const LOOPBACK = '127.0.0.1';
const { within } = ssh;
const START_PATIENCE = 180; // seconds for a machine to start what runs the trials
const MACHINE = '-m autostr_nni.nni.remote.machine';

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// `loaded` was required by a module of NNI's remote service; `nni` requires others of NNI's modules.
function mend(loaded, nni) {
  for (const [name, mendOne] of [['RemoteTrainingServiceV3', mendService], ['Worker', mendWorker], ['Ssh', ssh.mendShell], ['Client', ssh.mendClient]]) {
    const found = loaded && loaded[name];
    if (typeof found === 'function' && !found.prototype.__autostr) {
      found.prototype.__autostr = true;
      mendOne(found.prototype, nni);
    }
  }
}

// --- a machine -----------------------------------------------------------------------------------------------------

const numbers = new WeakMap(); // of the machines in the experiment file

function mendWorker(worker, nni) {
  const launchKeeper = worker.launchTrialKeeperDaemon;
  // A machine that comes back keeps its folders.
  Object.defineProperty(worker, 'envId', {
    get() {
      return `${this.trainingServiceId}-worker${numbers.get(this.config) || this.channelId}`;
    },
  });
  const findInitPython = worker.findInitPython;
  worker.findInitPython = function () {
    const { pythonPath } = this.config;
    const config = pythonPath ? { ...this.config, pythonPath: ssh.quoted(pythonPath) } : this.config;
    return findInitPython.call(Object.create(this, { config: { value: config } }));
  };
  worker.start = async function () {
    this.gone = new Promise((resolve) => { this.leave = resolve; });
    try {
      await within(START_PATIENCE, startMachine(this, launchKeeper, nni), `it did not start in ${START_PATIENCE} seconds`);
    } catch (error) {
      this.ssh.disconnect();
      const told = /verification failed/.test(error.message) ? 'its host key is not the one in the known_hosts file' : error.message;
      throw new Error(`machine ${this.config.host}, port ${this.config.port}: ${told}`);
    }
  };
}

async function startMachine(worker, launchKeeper, nni) {
  const { globals } = nni('common/globals');
  const { runPythonModule } = nni('common/pythonScript');
  await worker.ssh.connect();
  worker.python = await worker.findPython();
  const place = `${globals.args.experimentId} ${worker.envId}`;
  worker.endLeft = () => worker.ssh.exec(`${worker.python} ${MACHINE} end ${place}`);
  const reply = await worker.ssh.exec(`${worker.python} ${MACHINE} prepare ${place}`);
  if (reply.code !== 0) {
    const said = reply.stderr.trim().split('\n').pop();
    throw new Error(`${said} (install autostr_nni there; pythonPath names the folder of its python)`);
  }
  const about = JSON.parse(reply.stdout.trim().split('\n').pop());
  const here = JSON.parse(await runPythonModule('autostr_nni.nni.remote.machine', ['about']));
  for (const name of ['autostr_nni', 'nni']) {
    if (about[name] !== here[name]) throw new Error(`it has ${name} ${about[name]}, and this machine ${here[name]}; install the same there`);
  }
  if (process.env.AUTOSTR_SHARED_GPUS && about.gpus > 1) {
    throw new Error(`it has ${about.gpus} GPUs, and without trialGpuNumber its trials would share the first; write trialGpuNumber: 1`);
  }
  const direct = process.env.AUTOSTR_HOST && process.env.AUTOSTR_HOST !== LOOPBACK && !/\/\/localhost:/.test(worker.channelUrl);
  if (!direct) {
    const url = new URL(worker.channelUrl);
    url.hostname = LOOPBACK;
    url.port = await ssh.tunnel(worker.ssh.client, globals.args.port);
    worker.channelUrl = url.href;
  }
  const python = worker.python;
  const preload = `--require "${about.preload}"`;
  worker.python = `env NODE_OPTIONS='${preload.replaceAll("'", "'\\''")}' ${python}`;
  try {
    await launchKeeper.call(worker);
  } finally {
    worker.python = python;
  }
  worker.env = await worker.trialKeeper.start();
  worker.env.host = worker.config.host;
}

// --- all machines ----------------------------------------------------------------------------------------------------

function mendService(service, nni) {
  const { launchWorker, createTrial, stopTrial, downloadTrialDirectory } = service;
  const log = () => nni('common/log').getLogger('autostr');
  const folderOf = (id) => path.join(nni('common/globals').globals.paths.experimentRoot, 'trials', id);

  service.start = async function () {
    this.copies = new files.Copies(folderOf, log());
    this.ended = new Set();
    await this.server.start();
    const machines = this.config.machineList;
    const results = await Promise.allSettled(machines.map((machine) => this.launchWorker(machine)));
    const failed = machines.filter((_, index) => results[index].status === 'rejected');
    const reasons = results.filter((result) => result.status === 'rejected').map((result) => result.reason.message);
    // Whoever starts a search is there to mend a machine; one that is resumed goes on with those that are left.
    if (this.workers.length === 0 || (failed.length > 0 && nni('common/globals').globals.args.action === 'create')) {
      await this.stop();
      throw new Error(reasons.join('; '));
    }
    const operators = Number(process.env.AUTOSTR_OPERATOR_GPUS || 0); // placing.cjs gives them to that one trial
    const told = this.workers.map((worker) => gpus.impossible(operators, worker.config, worker.env.gpu));
    if (told.every(Boolean)) {
      await this.stop();
      throw new Error(`search.operators.devices of the recipe: on no machine can a trial have them: ${told[0]}`);
    }
    failed.forEach((machine) => this.bringBack(machine));
    return this.workers.map((worker) => worker.env);
  };

  service.launchWorker = async function (machine) {
    numbers.set(machine, this.config.machineList.indexOf(machine) + 1);
    const launched = launchWorker.call(this, machine); // enters the worker in the lists before its first await
    const worker = this.workersByChannel.get(String(this.lastWorkerIndex));
    worker.trialKeeper.onReceiveCommand('metric', (id) => this.copies.fetchSoon(worker, id));
    gpus.limit(worker.trialKeeper, machine);
    try {
      await launched;
      const told = gpus.impossible(this.config.trialGpuNumber, machine, worker.env.gpu);
      if (told) throw new Error(`machine ${machine.host}, port ${machine.port}: ${told}`);
      return worker;
    } catch (error) {
      this.forget(worker);
      throw error;
    }
  };

  const { emitEnvUpdate } = service;
  service.emitEnvUpdate = function () {
    for (const worker of this.workers) if (worker.env) worker.env.host = worker.config.host; // an update lacks it
    emitEnvUpdate.call(this);
  };

  service.forget = function (worker) {
    worker.forgotten = true;
    if (worker.leave) worker.leave(null);
    this.workers = this.workers.filter((item) => item !== worker);
    this.workersByChannel.delete(worker.channelId);
    if (this.workersByEnv.get(worker.envId) === worker) this.workersByEnv.delete(worker.envId);
    if (worker.channel && !worker.channel.closing) worker.channel.terminate('no longer used');
    worker.ssh.disconnect();
  };

  service.restartWorker = async function (worker) {
    if (worker.forgotten || this.stopping) return;
    log().error(`The connection to machine ${worker.config.host} is lost.`);
    this.stopWorker(worker, true);
    await this.bringBack(worker.config);
  };

  service.bringBack = async function (machine) {
    for (let wait = 5; !this.stopping; wait = Math.min(60, 2 * wait)) {
      await pause(wait);
      try {
        const worker = await this.launchWorker(machine);
        for (const name of this.uploadedDirs) await worker.upload(name, nni('common/tarball').getTarballPath(name));
        log().info(`Machine ${machine.host} is back.`);
        this.emitEnvUpdate();
        return;
      } catch (error) {
        log().warning(error.message);
      }
    }
  };

  service.stopWorker = function (worker, tell) {
    this.forget(worker);
    if (tell) this.emitEnvUpdate();
    for (const [id, runsOn] of this.workersByTrial) {
      if (runsOn !== worker) continue;
      this.workersByTrial.delete(id);
      if (!this.ended.has(id)) this.emitter.emit('autostr_lost', id);
    }
  };

  service.createTrial = async function (envId, command, directory, sequenceId, id) {
    const worker = this.workersByEnv.get(envId);
    if (!worker || !worker.uploadDir) return null;
    await this.copies.send(worker, id);
    const created = await Promise.race([createTrial.call(this, envId, command, directory, sequenceId, id), worker.gone]);
    return created === undefined ? null : created;
  };

  service.stopTrial = async function (id) {
    const worker = this.workersByTrial.get(id);
    if (worker) await Promise.race([stopTrial.call(this, id), worker.gone]);
    else this.emitter.emit('trial_stop', id, Date.now(), null); // between two machines
  };

  // A trial has ended when what it left is here.
  service.onTrialEnd = function (callback) {
    this.emitter.on('trial_stop', async (id, time, code) => {
      this.ended.add(id);
      const worker = this.workersByTrial.get(id);
      if (worker) await Promise.race([this.copies.fetchAll(worker, id), worker.gone]);
      callback(id, time, code);
    });
  };

  service.downloadTrialDirectory = async function (id) {
    return this.workersByTrial.has(id) ? downloadTrialDirectory.call(this, id) : folderOf(id);
  };

  service.stop = async function () {
    this.stopping = true;
    await within(5, this.copies.idle()).catch(() => log().warning('Not all files of trials were fetched.'));
    await Promise.allSettled(this.workers.map(async (worker) => {
      await within(8, worker.stop()).catch((error) => log().warning(error.message));
      await within(5, worker.endLeft()).catch((error) => log().warning(error.message));
      worker.ssh.disconnect();
    }));
  };
}

// --- on the machine ------------------------------------------------------------------------------------------------

// In the process that keeps a machine's trials: nothing outlives it.
function mendKeeper() {
  process.env.PYTHONUTF8 = '1';
  for (const name of ['no_proxy', 'NO_PROXY']) {
    process.env[name] = [process.env[name], 'localhost', LOOPBACK, '::1'].filter(Boolean).join(',');
  }
  const configured = JSON.parse(fs.readFileSync(path.join(process.argv[2], 'trial_keeper_config.json'), 'utf8'));
  process.on('exit', () => {
    const end = ['-m', 'autostr_nni.nni.remote.machine', 'end', configured.experimentId, configured.environmentId];
    try {
      execFileSync(configured.pythonInterpreter, end, { timeout: 20_000 });
    } catch (error) {
      console.error(error.message);
    }
  });
}

module.exports = { mend, mendKeeper };
