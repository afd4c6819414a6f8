// Loaded by preload.cjs into the process of NNI's manager: paths that NNI gives to a shell.
//
// The interpreter of the tuner and the folders for TensorBoard go through a shell unquoted: none may have a space.
// Here they go through no shell.
'use strict';

const Module = require('module');
const { execFileSync, spawn } = require('child_process');

const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (loaded && !loaded.__autostrPlaces) {
    if (loaded.getTunerProc) mend(loaded, 'getTunerProc', () => startProgram);
    if (loaded.NNITensorboardManager) mend(loaded.NNITensorboardManager.prototype, 'setTensorboardVersion', () => findTensorboard);
  }
  return loaded;
};

function mend(owner, name, mended) {
  if (owner.__autostrPlaces) return;
  Object.defineProperty(owner, '__autostrPlaces', { value: true });
  owner[name] = mended(owner[name]);
}

// `command` is NNI's: a list of words, but for one that holds two of TensorBoard's options.
function startProgram(command, stdio, cwd, env, _shell, detached = false) {
  const words = command.flatMap((word) => (word.startsWith('--bind_all ') ? ['--bind_all', word.slice(11)] : [word]));
  const started = spawn(words[0], words.slice(1), { stdio, cwd, env, detached });
  started.on('error', (error) => console.error(`autostr: ${words[0]} cannot be started: ${error.message}`));
  return started;
}

function findTensorboard() {
  const python = process.argv[process.argv.indexOf('--python-interpreter') + 1];
  try {
    const version = execFileSync(python, ['-c', 'import tensorboard; print(tensorboard.__version__)'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.tensorboardVersion = version.toString().trim();
  } catch {
    this.log.info('TensorBoard is not installed.');
  }
}
