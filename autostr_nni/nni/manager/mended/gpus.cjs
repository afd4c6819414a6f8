// Loaded by preload.cjs: which GPUs a trial is given, in NNI's manager and in the process that keeps a machine's
// trials. It mends this of NNI 3.0:
//
// 1. A trial that wants as many GPUs as there are waits for ever. Here it runs; one that wants more, or GPUs that are
//    not there, is an error of the experiment at its start.
// 2. Every try to start a trial starts another process that asks for GPUs. Here one asks at a time, and its answer
//    is good for a while.
// 3. CUDA_VISIBLE_DEVICES of whoever started the experiment is written over with other GPUs. Here trials stay within.
// 4. Where trials share a GPU, one of ours keeps the next off it as somebody else's would, and GPUs of a trial that
//    did not start are never given back.
// 5. Indices are NVML's, which orders GPUs by bus, where CUDA orders them by speed. Here trials are told the same.
'use strict';

const { execFile } = require('child_process');
const fs = require('fs');
const path = require('path');

const COLLECT = 'nni.tools.nni_manager_scripts.collect_gpu_info';
const FRESH = 2; // seconds that an answer is good for
const MOST_NAMED = 4; // processes in a sentence
const PATIENCE = 60; // seconds to wait for an answer: a driver that nobody uses has to wake up

// The GPUs that whoever started this process was given, by number; null for all of them.
const ours = process.env.CUDA_VISIBLE_DEVICES === undefined ? null : numbered(process.env.CUDA_VISIBLE_DEVICES);

function numbered(text) {
  const words = text.split(',').map((word) => word.trim());
  const end = words.findIndex((word) => !/^\d+$/.test(word)); // CUDA reads no further either
  return words.slice(0, end < 0 ? words.length : end).map(Number);
}

// --- asking --------------------------------------------------------------------------------------------------------

// `scripts` is NNI's common/pythonScript, through which all of NNI asks; `from` is the file that loads it.
function mendAsking(scripts, nni, from) {
  if (scripts.__autostrGpus) return;
  scripts.__autostrGpus = true;
  const run = scripts.runPythonModule;
  let asking = null;
  let answered = -Infinity;
  scripts.runPythonModule = (name, args) => {
    if (name !== COLLECT) return run(name, args);
    if (asking === null || Date.now() - answered > 1000 * FRESH) {
      answered = Infinity;
      const python = nni('common/globals').globals.args.pythonInterpreter;
      asking = ask(python, from).finally(() => { answered = Date.now(); });
    }
    return asking;
  };
}

async function ask(python, from) {
  // The file alone needs a tenth of the time that importing the package around it takes.
  const file = path.join(from.split(`${path.sep}nni_node${path.sep}`)[0], ...COLLECT.split('.')) + '.py';
  const words = fs.existsSync(file) ? [file] : ['-m', COLLECT];
  const said = await new Promise((resolve, reject) => {
    execFile(python, words, { timeout: 1000 * PATIENCE, killSignal: 'SIGKILL' }, (error, stdout) => {
      if (error) reject(new Error(error.killed ? `no answer in ${PATIENCE} seconds` : error.message));
      else resolve(stdout);
    });
  });
  const info = JSON.parse(said);
  for (const user of info.processes ?? []) user.name = nameOf(user.pid);
  return JSON.stringify({ ...info, allotted: ours });
}

function nameOf(pid) {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    words[0] = path.basename(words[0]);
    const name = words.join(' ').replace(/[^\x20-\x7e]/g, '?');
    return name.length > 60 ? `${name.slice(0, 59)}…` : name;
  } catch {
    return ''; // of another container, or gone
  }
}

// --- what can be had -------------------------------------------------------------------------------------------------

// Why a trial can never have its GPUs on a machine, in a sentence; null if it can.
function impossible(wanted, limits, info) {
  if (!wanted) return null;
  const count = info?.gpuNumber ?? 0;
  const there = `this machine has ${count === 1 ? '1 GPU' : `${count} GPUs`}`;
  const missing = (limits?.gpuIndices ?? []).filter((index) => index >= count);
  if (missing.length > 0) return `gpuIndices names GPU ${missing.join(' and ')}, and ${there}, counted from 0`;
  const usable = allowed([...Array(count).keys()], limits?.gpuIndices, info?.allotted).length;
  if (wanted <= usable) return null;
  const left = usable < count ? `, of which ${usable} may be used (gpuIndices, CUDA_VISIBLE_DEVICES)` : '';
  return `trialGpuNumber is ${wanted}, and ${there}${left}`;
}

function allowed(indices, wished, given = ours) {
  return indices.filter((index) => (!wished || wished.includes(index)) && (!given || given.includes(index)));
}

// --- giving ----------------------------------------------------------------------------------------------------------

function mendScheduler(scheduler, nni) {
  const log = () => nni('common/log').getLogger('autostr');

  const { init } = scheduler;
  scheduler.init = async function () {
    try {
      await init.call(this);
    } catch (error) {
      const { failures = [error.message] } = await answer(nni);
      throw new Error(`trialGpuNumber asks for GPUs, and there is none that NVIDIA's driver knows (${failures.join('; ')})`);
    }
  };

  scheduler.schedule = async function (experimentId, trialId, gpuNumber, restrictions) {
    if (gpuNumber === 0) return { CUDA_VISIBLE_DEVICES: '' };
    await this.update().catch((error) => log().warning(error.message));
    const { count, share } = demand(gpuNumber, restrictions);
    const usable = allowed(this.gpus.map((gpu) => gpu.index), restrictions?.onlyUseIndices);
    const held = (gpu) => restrictions?.rejectActive && gpu.active && !this.trials.some((trial) => trial.gpuIndex === gpu.index);
    const candidates = this.sortGpus({}).filter((gpu) => usable.includes(gpu.index));
    const free = candidates.filter((gpu) => !held(gpu) && gpu.util + share < 1.001);
    this.waiting = free.length < count ? await reason(count, candidates.filter(held), nni) : undefined;
    if (free.length < count) {
      await this.emitUpdate();
      return null;
    }
    const given = free.slice(0, count);
    for (const gpu of given) {
      gpu.util += share;
      this.trials.push({ gpuIndex: gpu.index, experimentId, trialId, util: share });
    }
    this.emitUpdate();
    const indices = given.map((gpu) => gpu.index).sort((a, b) => a - b);
    log().info(`Trial ${trialId} is given GPU ${indices.join(',')}`);
    return {
      CUDA_VISIBLE_DEVICES: indices.join(','),
      CUDA_DEVICE_ORDER: process.env.CUDA_DEVICE_ORDER ?? 'PCI_BUS_ID',
    };
  };

  // What goes to the manager tells, too, what a trial waits for.
  const { emitUpdate } = scheduler;
  scheduler.emitUpdate = async function (info) {
    const known = info ?? (await answer(nni));
    if (known.success) await emitUpdate.call(this, { ...known, waiting: this.waiting });
  };
}

// Who holds the GPUs that a trial waits for; undefined where only trials of ours do, which end by themselves.
async function reason(count, held, nni) {
  const info = held.length > 0 ? await answer(nni) : {};
  if (!info.success) return undefined;
  const places = new Map(); // of each process, its GPUs
  for (const user of info.processes) {
    if (!held.some((gpu) => gpu.index === user.gpuIndex)) continue;
    const known = places.get(user.pid) ?? { ...user, indices: new Set() };
    places.set(user.pid, known);
    known.indices.add(user.gpuIndex);
  }
  const words = [...places.values()].map(
    ({ name, pid, indices }) => `${name || 'a process'} (process ${pid}) on GPU ${[...indices].join(', ')}`,
  );
  const more = words.length > MOST_NAMED ? ` and ${words.length - MOST_NAMED} more` : '';
  const wanted = count === 1 ? 'a free GPU' : `${count} free GPUs`;
  const named = `${words.slice(0, MOST_NAMED).join('; ')}${more}`;
  return `a trial waits for ${wanted}; in use by others (useActiveGpu: true would share): ${named}`;
}

async function answer(nni) {
  try {
    return JSON.parse(await nni('common/pythonScript').runPythonModule(COLLECT));
  } catch (error) {
    return { success: false, failures: [error.message] };
  }
}

// GPUs that a trial wants, and its share of each. NNI divides the one by the other: 2 GPUs with 2 trials on each
// would be 1 GPU.
function demand(gpuNumber, restrictions) {
  const trials = restrictions?.trialsPerGpu;
  if (trials) return { count: Math.round(gpuNumber * trials), share: 1 / trials };
  return gpuNumber < 1 ? { count: 1, share: gpuNumber } : { count: Math.round(gpuNumber), share: 1 };
}

// `keeper` starts the trials of a machine with the `limits` that the experiment file sets for it.
function limit(keeper, limits) {
  if (keeper.__autostrLimited) return;
  keeper.__autostrLimited = true;
  const create = keeper.createTrial;
  keeper.createTrial = function (options) {
    const gpuRestrictions = { ...options.gpuRestrictions, trialsPerGpu: limits.maxTrialNumberPerGpu };
    return create.call(this, { ...options, gpuRestrictions });
  };
}

function mendLocal(service) {
  const { start } = service;
  service.start = async function () {
    limit(this.trialKeeper, this.config);
    const environments = await start.call(this);
    const told = impossible(this.config.trialGpuNumber, this.config, this.trialKeeper.envInfo.gpu);
    if (told) throw new Error(told);
    return environments;
  };
}

function mendKeeper(keeper) {
  const { createTrial } = keeper;
  keeper.createTrial = async function (options) {
    let created = false;
    try {
      created = await createTrial.call(this, options);
    } finally {
      if (!created && this.scheduler.server?.trials.some((trial) => trial.trialId === options.id)) {
        await this.scheduler.release(options.id);
      }
    }
    return created;
  };
}

// `loaded` was required as `request` by the file `from`; `nni` requires others of NNI's modules.
function mend(loaded, request, from, nni) {
  if (loaded && request.endsWith('pythonScript') && loaded.runPythonModule) mendAsking(loaded, nni, from);
  for (const [name, mendOne] of [['TaskScheduler', mendScheduler], ['LocalTrainingServiceV3', mendLocal], ['TrialKeeper', mendKeeper]]) {
    const found = loaded && loaded[name];
    if (typeof found === 'function' && !Object.hasOwn(found.prototype, '__autostrGpus')) {
      found.prototype.__autostrGpus = true;
      mendOne(found.prototype, nni);
    }
  }
}

module.exports = { allowed, demand, impossible, limit, mend, numbered };
