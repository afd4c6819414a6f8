// Loaded by preload.cjs into the process of NNI's manager: starts the process that keeps imports warm between trials
// (autostr_nni/warm), where AUTOSTR_WARM_PYTHON names an interpreter. It ends with the manager.
'use strict';

const python = process.env.AUTOSTR_WARM_PYTHON;
delete process.env.AUTOSTR_WARM_PYTHON;
if (python) keepWarm(python);

function keepWarm(python) {
  const { spawn } = require('child_process');
  const fs = require('fs');
  const path = require('path');
  const option = (name) => process.argv[process.argv.indexOf(name) + 1];
  const root = path.join(option('--experiments-directory'), option('--experiment-id'));
  const folder = path.join(root, 'warm');
  try {
    fs.mkdirSync(path.join(root, 'log'), { recursive: true });
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = fs.openSync(path.join(root, 'log', 'warm.log'), 'a');
    // The pipe closes when this process ends, however it ends: the other one takes that as its own end.
    const stdio = ['pipe', log, log];
    const warm = spawn(python, ['-m', 'autostr_nni.warm.server', folder], { cwd: folder, stdio });
    fs.closeSync(log);
    warm.on('error', (error) => console.error(`autostr: trials start cold: ${error.message}`));
    warm.stdin.on('error', () => {});
    warm.unref();
    process.env.AUTOSTR_WARM = folder; // where trials ask for it; without an answer they start by themselves
  } catch (error) {
    console.error(`autostr: trials start cold: ${error.message}`);
  }
}
