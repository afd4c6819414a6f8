// Loaded by preload.cjs into the process of NNI's manager: the list of experiments, which several managers write.
//
// 1. It is in the home folder, which may not be one to write in. AUTOSTR_LIST names another.
// 2. NNI looks whether another process holds the list and then locks it: two that look at the same moment both write,
//    and one experiment is lost. Here it is locked first and looked at after that, as in ../listing.py, and let go of
//    after an error too.
// 3. NNI empties the list and then writes it: who reads it in between, or is left with that after a full disk, knows no
//    experiment. Here it is replaced whole.
'use strict';

const Module = require('module');
const fs = require('fs');
const path = require('path');

const STALE = 2000; // milliseconds after which NNI takes a lock for one of a process that has died
const TRIES = 100;

const folder = process.env.AUTOSTR_LIST;
delete process.env.AUTOSTR_LIST;

const write = fs.writeFileSync;
const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (folder && loaded && loaded.createPaths && !loaded.__autostrList) {
    const createPaths = loaded.createPaths;
    Object.defineProperty(loaded, '__autostrList', { value: true });
    loaded.createPaths = (args) => ({ ...createPaths(args), experimentsList: path.join(folder, '.experiment') });
  }
  if (loaded && loaded.withLockNoWait && loaded.withLockNoWait !== locked) {
    loaded.withLockNoWait = locked;
    loaded.withLock = waited;
  }
  return loaded;
};

function locked(list, action) {
  const mine = `${list}.lock.${process.pid}`;
  if (fs.existsSync(mine) && !isFresh(mine)) fs.rmSync(mine, { force: true }); // of a dead process that had this one's number
  fs.closeSync(fs.openSync(mine, 'wx'));
  try {
    if (heldByOthers(list, mine)) throw new Error('File has been locked.'); // NNI tries again at these words
    fs.writeFileSync = (file, text) => (file === list ? replaced(list, text) : write(file, text));
    return action();
  } finally {
    fs.writeFileSync = write;
    fs.rmSync(mine, { force: true });
  }
}

function replaced(list, text) {
  const draft = `${list}.${process.pid}.new`;
  try {
    write(draft, text);
    fs.renameSync(draft, list);
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function heldByOthers(list, mine) {
  const names = fs.readdirSync(path.dirname(list)).filter((name) => name.startsWith(`${path.basename(list)}.lock.`));
  return names.map((name) => path.join(path.dirname(list), name)).some((name) => name !== mine && isFresh(name));
}

function isFresh(lock) {
  const found = fs.statSync(lock, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs < STALE;
}

async function waited(list, action) {
  for (let tried = 0; tried < TRIES; tried += 1) {
    try {
      return locked(list, action);
    } catch (error) {
      if (error.code !== 'EEXIST' && error.message !== 'File has been locked.') throw error;
      await new Promise((resolve) => setTimeout(resolve, 25 + 50 * Math.random()));
    }
  }
  throw new Error('Lock file out of retries.');
}
