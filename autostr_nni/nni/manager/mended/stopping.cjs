// Loaded by preload.cjs into the process of NNI's manager: what is known of a trial that has ended.
//
// 1. NNI takes a stopped trial for a failed one if it ends by itself on SIGINT, as ours do, and notes only afterwards
//    that an assessor, or maxTrialDuration, has stopped it. Here it is EARLY_STOPPED, or USER_CANCELED.
// 2. The manager looks at a trial's status, writes it down, and looks at it again. A trial that ends while RUNNING is
//    being written is then told to the tuner as ended and stays RUNNING in the list for ever. Here one look sees one
//    status, and the next one the end.
'use strict';

const Module = require('module');

const load = Module._load;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  const service = loaded && loaded.V3asV1 && loaded.V3asV1.prototype;
  if (service && !service.__autostrStopping) mend(service);
  return loaded;
};

function mend(service) {
  service.__autostrStopping = true;
  const { cancelTrialJob, getTrialJob } = service;
  service.cancelTrialJob = function (id, isEarlyStopped) {
    const trial = this.trialJobs[id];
    if (trial && ['WAITING', 'RUNNING'].includes(trial.status)) {
      trial.__autostrStopped ??= isEarlyStopped ? 'EARLY_STOPPED' : 'USER_CANCELED';
    }
    return cancelTrialJob.call(this, id, isEarlyStopped);
  };
  service.getTrialJob = async function (id) {
    const trial = await getTrialJob.call(this, id);
    if (trial && trial.status === 'FAILED' && trial.__autostrStopped) trial.status = trial.__autostrStopped;
    return trial && { ...trial };
  };
}
