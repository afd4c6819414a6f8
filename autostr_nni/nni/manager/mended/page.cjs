// Loaded by preload.cjs into the process of NNI's manager: what its page lacks.
//
// 1. A trial's name on the page is five random characters. Here it tells step, stride path and number.
// 2. It draws its icons with a font from a public host; without internet they are empty boxes. Here they come from
//    the icon font that NNI itself brings along for its editor (Codicons, CC BY 4.0).
// 3. Without maxTrialNumber it counts trials "of Infinity". Here of what the search has before it (AUTOSTR_PLANNED).
'use strict';

const fs = require('fs');
const path = require('path');

const planned = Number(process.env.AUTOSTR_PLANNED || 0);
delete process.env.AUTOSTR_PLANNED;

// --- names -------------------------------------------------------------------------------------------------------

const WORD = /^[\w.-]{1,60}$/; // the name is that of a folder too

// `path-ABABB-3` for trial number 3, `largest-ABABB-0` for a net with a name of its own; null for trials that have
// no step and stride path.
function trialName(form) {
  const { step, net, stride_path: stridePath } = parametersOf(form.hyperParameters.value);
  const words = [net || step, stridePath, form.sequenceId].map(String);
  return step && stridePath && words.every((word) => WORD.test(word)) ? words.join('-') : null;
}

function parametersOf(packed) {
  const parameters = JSON.parse(packed || '{}').parameters || {};
  return parameters.mutation_summary || parameters; // of NNI's Python API
}

// --- icons -------------------------------------------------------------------------------------------------------

// The page's names of its icons, and the characters of Codicons that show the same.
const ICONS = {
  BarChartHorizontal: 'eb03', Blocked2: 'eabd', BulletedList: 'eb17', Calendar: 'eab0', Cancel: 'ea76',
  CheckMark: 'eab2', ChevronDown: 'eab4', ChevronLeft: 'eab5', ChevronRight: 'eab6', ChevronRightMed: 'eab6',
  ChevronUp: 'eab7', CircleRing: 'eabc', CircleShapeSolid: 'ebb4', Clear: 'ea76', Completed: 'eba4', Copy: 'ebcc',
  DisableUpdates: 'eb9f', Download: 'eac2', Edit: 'ea73', Equalizer: 'eb52', ErrorBadge: 'ea87', Filter: 'eaf1',
  FlowChart: 'ebb9', GripperBarVertical: 'eb04', GroupedDescending: 'eb55', HomeGroup: 'ebe3', Important: 'ea6c',
  Info: 'ea74', LineChart: 'ebe2', Market: 'eaa1', MarketDown: 'ea9a', More: 'ea7c', Refresh: 'eb37',
  ReminderTime: 'ea82', ReplyAll: 'ea7d', RevToggleKey: 'eb55', Search: 'ea6d', SortDown: 'ea9a', SortUp: 'eaa1',
  StackedLineChart: 'ebe2', StatusCircleBlock: 'eabd', StatusCircleCheckmark: 'eab2', Tag: 'ea66',
  TestParameter: 'eb52', Timer: 'eb7c', Warning: 'ea6c',
};

// Runs in the browser before the page's own scripts, whose icons are left out where one is registered already.
function registerIcons(icons, font) {
  const subset = { fontFace: { fontFamily: 'codicon', src: `url('${font}') format('truetype')` }, style: {} };
  const registered = { __options: { disableWarnings: true, warnOnMissingIcons: false }, __remapped: {} };
  for (const [name, code] of Object.entries(icons)) {
    registered[name.toLowerCase()] = { code: String.fromCharCode(parseInt(code, 16)), subset };
  }
  window.__globalSettings__ = { __callbacks__: {}, icons: registered };
  window.FabricConfig = { fontBaseUrl: '' }; // and no text font from there either
}

// The words at the leftmost axis of the hyper-parameters are cut off otherwise.
const STYLE = `.parcoords { width: calc(100% - 30px) !important; margin-left: 30px !important }
  .parcoords svg { overflow: visible }`;

function mendedPage(folder) {
  const page = fs.readFileSync(path.join(folder, 'index.html'), 'utf8');
  const font = fs.readdirSync(path.join(folder, 'static/media')).find((name) => /^codicon\..*ttf$/.test(name));
  if (!font) return page;
  const script = `(${registerIcons})(${JSON.stringify(ICONS)}, './static/media/${font}')`;
  return page.replace('<head>', `<head><script>${script}</script><style>${STYLE}</style>`);
}

function mendServer(server, globals) {
  if (server.__autostrPage) return;
  server.__autostrPage = true;
  const start = server.start;
  server.start = function () {
    const folder = path.resolve('static');
    if (!fs.existsSync(path.join(folder, 'index.html'))) return start.call(this); // of another machine's trials
    const page = mendedPage(folder);
    globals.rest.getExpressRouter().get(['/', '/index.html', '/oview', '/detail', '/experiment'], (_request, reply) => {
      reply.type('html').send(page);
    });
    return start.call(this);
  };
}

// --- how many trials ---------------------------------------------------------------------------------------------

// NNI itself is given no limit: a trial that fails is repeated, which the plan does not know.
function mendCount(manager) {
  const profile = manager.getExperimentProfile;
  manager.getExperimentProfile = async function () {
    const told = await profile.call(this);
    if (!planned || !told || told.params.maxTrialNumber !== undefined) return told;
    const begun = await this.listTrialJobs();
    const asked = begun.filter((job) => job.hyperParameters).map((job) => parametersOf(job.hyperParameters[0]));
    const repeated = asked.length - new Set(asked.map((parameters) => JSON.stringify(parameters))).size;
    return { ...told, params: { ...told.params, maxTrialNumber: planned + repeated } };
  };
}

module.exports = { trialName, mendServer, mendCount };
