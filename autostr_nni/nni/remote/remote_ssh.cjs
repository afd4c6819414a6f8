// The SSH connections of NNI's remote training service.
'use strict';

const { execFileSync } = require('child_process');
const net = require('net');
const os = require('os');
const path = require('path');

const LOOPBACK = '127.0.0.1';

function mendClient(client) {
  const connect = client.connect;
  client.connect = function (config) {
    this.on('error', () => {}); // unheard, the loss of a connection would end the manager
    const checked = { ...config, keepaliveInterval: 10_000, keepaliveCountMax: 3 }; // a machine without power says nothing
    const known = knownKeys(config.host, config.port);
    if (known.length > 0) {
      checked.hostVerifier = (key) => known.some((item) => item.key === key.toString('base64'));
      checked.algorithms = { serverHostKey: [...new Set(known.flatMap((item) => item.algorithms))] };
    }
    return connect.call(this, checked);
  };
}

// A path as one word of the machine's shell, with its home for a ~ in front.
function quoted(path) {
  const [, home, rest] = path.match(/^(~(?:\/|$))?(.*)$/s);
  return `${home || ''}'${rest.replaceAll("'", "'\\''")}'`;
}

// NNI gives paths to the machine's shell as they are.
function mendShell(shell) {
  const { run, setPath } = shell;
  shell.run = function (command) {
    const folder = /(?<= -m nni\.tools\.nni_manager_scripts\.(?:launch_trial_keeper|check_trial_keeper_alive) ).+$/s;
    return run.call(this, command.replace(folder, quoted));
  };
  shell.setPath = function (path) {
    // NNI puts it in double quotes.
    setPath.call(this, path.replace(/["$`\\]/g, '\\$&').replace(/^~(?=[/:])/, '$HOME'));
  };
}

// The host keys that OpenSSH knows of a host; empty for a host that it does not know.
function knownKeys(host, port) {
  const name = Number(port) === 22 ? host : `[${host}]:${port}`;
  const keys = [];
  for (const file of [path.join(os.homedir(), '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts']) {
    let found = '';
    try {
      found = execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      continue; // no such file or no such host in it
    }
    for (const line of found.split('\n')) {
      const [, type, key] = line.split(' ');
      if (line.startsWith('#') || line.startsWith('@') || !key) continue;
      const algorithms = type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type];
      keys.push({ key, algorithms });
    }
  }
  return keys;
}

// Let the machine reach the manager's port at a port of its own loopback, which is returned.
function tunnel(client, port) {
  client.on('tcp connection', (_details, accept) => {
    const there = accept();
    const here = net.connect(port, LOOPBACK);
    there.on('error', () => here.destroy());
    here.on('error', () => there.destroy());
    there.on('close', () => here.destroy());
    here.on('close', () => there.destroy());
    there.pipe(here).pipe(there);
  });
  return new Promise((resolve, reject) => {
    client.forwardIn(LOOPBACK, 0, (error, remotePort) => {
      if (error) reject(new Error('its SSH server forwards no ports: set AllowTcpForwarding there, or nniManagerIp and --host here'));
      else resolve(remotePort);
    });
  });
}

async function within(seconds, promise, sentence) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(sentence || `no answer in ${seconds} seconds`)), 1000 * seconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { mendClient, mendShell, quoted, tunnel, within };
