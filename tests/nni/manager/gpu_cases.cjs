// Runs NNI's own GPU scheduler, as gpus.cjs mends it, over pretended GPUs: node gpu_cases.cjs NNI_NODE GPUS_CJS CASES
// prints what each try to place a trial gave. A case: {gpus, busy: {pid: [gpu, …]}, tries: [[want, limits], …]}.
'use strict';

const Module = require('module');
const path = require('path');

const [root, file, given] = process.argv.slice(2);
const gpus = require(file);
let state;
const quiet = { info() {}, debug() {}, warning() {}, error() {} };
const stubs = {
  'common/log': { getLogger: () => quiet },
  'common/pythonScript': { runPythonModule: async () => JSON.stringify(state) },
};
const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = stubs[request] ?? load.call(this, request, parent, isMain);
  if (/scheduler/.test(request)) gpus.mend(loaded, request, parent.filename, (name) => stubs[name]);
  return loaded;
};
const { TaskScheduler } = require(path.join(root, 'common/trial_keeper/task_scheduler/scheduler.js'));

function machine({ gpus: count, busy = {} }) {
  const processes = Object.entries(busy).flatMap(([pid, indices]) =>
    indices.map((gpuIndex) => ({ pid: Number(pid), gpuIndex, type: 'compute', name: 'train.py' })));
  const all = [...Array(count).keys()].map((index) => ({ index, gpuCoreUtilization: 0, gpuMemoryUtilization: 0 }));
  return { success: true, gpuNumber: count, gpus: all, processes };
}

async function main() {
  const results = [];
  for (const one of JSON.parse(given)) {
    state = machine({ gpus: one.gpus });
    const scheduler = new TaskScheduler();
    let told;
    scheduler.onUtilityUpdate((info) => { told = info.gpu.waiting; });
    await scheduler.init();
    state = machine(one);
    const placed = [];
    for (const [index, [want, limits]] of one.tries.entries()) {
      if (want === 'ends') {
        await scheduler.release('e', `trial${limits}`);
        continue;
      }
      const got = await scheduler.schedule('e', `trial${index}`, want, limits);
      placed.push(got && got.CUDA_VISIBLE_DEVICES);
      if (one.thenBusy) state = machine({ gpus: one.gpus, busy: one.thenBusy });
    }
    await new Promise((resolve) => setImmediate(resolve));
    results.push({ placed, told });
  }
  console.log(JSON.stringify(results));
}

main();
