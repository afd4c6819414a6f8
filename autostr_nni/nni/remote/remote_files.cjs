// Files of trials between the machines that run them and the experiment's folder, over SFTP.
'use strict';

const fs = require('fs');
const path = require('path');
const { promisify } = require('util');

const LAST = 'last.ckpt'; // from which a trial goes on
const METRICS = 'metrics.jsonl'; // grows by a line with every epoch
const OUTPUT = /^trial\.(log|stdout|stderr)$/; // NNI's, opened anew when a trial is started
const TRIES = 3;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

class Copies {
  // `folderOf` tells where a trial's files are kept here.
  constructor(folderOf, log) {
    this.folderOf = folderOf;
    this.log = log;
    this.busy = new Map(); // a promise for each trial whose files are under way
    this.asked = new Set(); // trials that have reported again since then
    this.stamps = new Map();
  }

  // While a trial runs: its checkpoint and what else has changed. At most a third of the time goes into copying.
  fetchSoon(worker, id) {
    if (this.busy.has(id)) {
      this.asked.add(id);
      return;
    }
    const begun = Date.now();
    this.run(id, () => this.fetch(worker, id, false))
      .catch((error) => this.log.debug(`Files of trial ${id} are not fetched for now:`, error.message))
      .then(() => pause((2 * (Date.now() - begun)) / 1000))
      .then(() => {
        if (this.asked.delete(id)) this.fetchSoon(worker, id);
      });
  }

  async fetchAll(worker, id) {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.run(id, () => this.fetch(worker, id, true));
      } catch (error) {
        if (tried === TRIES) {
          this.log.error(`Files of trial ${id} stay on machine ${worker.config.host}:`, error.message);
          return undefined;
        }
        await pause(tried);
      }
    }
  }

  // One copy of a trial at a time.
  async run(id, work) {
    while (this.busy.has(id)) await this.busy.get(id).catch(() => {});
    const promise = work();
    this.busy.set(id, promise);
    try {
      return await promise;
    } finally {
      this.busy.delete(id);
    }
  }

  idle() {
    return Promise.allSettled(this.busy.values());
  }

  async fetch(worker, id, everything) {
    const sftp = await worker.ssh.sftp();
    const there = remoteFolder(worker, id);
    const here = this.folderOf(id);
    const get = promisify(sftp.fastGet.bind(sftp));
    const wanted = (await list(sftp, there)).filter(
      (file) => everything || file.name === LAST || this.stamps.get(`${id}/${file.name}`) !== file.stamp,
    );
    // The checkpoint to go on from is read first and put in place last: what is beside it is never older.
    wanted.sort((a, b) => (b.name === LAST) - (a.name === LAST));
    const got = [];
    for (const file of wanted) {
      const draft = path.join(here, `${file.name}.part`);
      fs.mkdirSync(path.dirname(draft), { recursive: true });
      try {
        if (file.size > 0) await get(`${there}/${file.name}`, draft);
        else fs.writeFileSync(draft, '');
        got.push(file);
      } catch (error) {
        if (error.code !== 2) throw error; // 2: the file has gone in the meantime
      }
    }
    for (const file of got.reverse()) {
      fs.renameSync(path.join(here, `${file.name}.part`), path.join(here, file.name));
      this.stamps.set(`${id}/${file.name}`, file.stamp);
    }
  }

  // Before a trial is started: what it had elsewhere, where that is further than what the machine has of it.
  async send(worker, id) {
    const here = this.folderOf(id);
    if (!fs.existsSync(path.join(here, LAST)) || !fs.existsSync(path.join(here, METRICS))) return;
    const sftp = await worker.ssh.sftp();
    const there = remoteFolder(worker, id);
    const stat = promisify(sftp.stat.bind(sftp));
    const size = await stat(`${there}/${METRICS}`).then((about) => about.size, () => -1);
    if (size >= fs.statSync(path.join(here, METRICS)).size) return;
    await worker.ssh.run(`mkdir -p '${there.replaceAll("'", "'\\''")}'`);
    for (const name of fs.readdirSync(here)) {
      const file = path.join(here, name);
      if (OUTPUT.test(name) || name.endsWith('.part') || !fs.statSync(file).isFile()) continue;
      await worker.ssh.upload(file, `${there}/${name}`);
    }
    this.log.info(`Trial ${id} goes on from its last checkpoint on machine ${worker.config.host}.`);
  }
}

function remoteFolder(worker, id) {
  return `${path.posix.dirname(worker.uploadDir)}/trials/${id}`;
}

// Files below a folder of the machine, with what tells whether one has changed.
async function list(sftp, folder, prefix = '') {
  const found = [];
  for (const item of await promisify(sftp.readdir.bind(sftp))(`${folder}/${prefix}`)) {
    if (/[/\\]|^\.\.$/.test(item.filename)) continue; // no machine writes beside the trial's folder
    const name = prefix + item.filename;
    if (item.attrs.isDirectory()) found.push(...(await list(sftp, folder, `${name}/`)));
    else if (item.attrs.isFile()) found.push({ name, size: item.attrs.size, stamp: `${item.attrs.size} ${item.attrs.mtime}` });
  }
  return found;
}

module.exports = { Copies };
