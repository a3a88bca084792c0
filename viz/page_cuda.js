// SPDX-License-Identifier: MIT
// What CUDA costs this program: memory of its devices, contexts, and the GIL held while they work.
import { el, fillWith } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, plural } from './format.js';
import { processLabel } from './model.js';
import { card, tile, processField } from './parts.js';
import { makeTable } from './table.js';
import { CudaChart, oomText } from './cuda_chart.js';
import { costOf, contextText, bytesColumn, nsColumn, barColumn } from './cuda_tables.js';
import { contextsCard, heldCard, stacksCard, oomCard, kindsCard, devicesCard, callsCard } from './cuda_tables.js';

const NOTHING = 'No process of this capture used CUDA: record a program that does. ' +
  'gilscope records it by itself as soon as libcuda is loaded.';

// The process that matters most, unless one is chosen: it ran out, or has most; a second that others
// waited counts as a GiB.
export function cudaProcess({ processes }, wanted) {
  if (wanted >= 0 && processes[wanted] && processes[wanted].cuda) return wanted;
  const rank = ({ cuda: c }) => (c.oom_count ? 2 ** 80 : 0) + c.peak_bytes + c.blamed_ns;
  return processes.reduce((best, p, i) => (p.cuda && (best < 0 || rank(p) > rank(processes[best])) ? i : best), -1);
}

const isEmpty = (c) => c.no_cuda && !c.contexts.length && !c.calls.length;

// Sentences, the one that matters most first.
export function verdicts(c) {
  const [oom] = c.oom;
  const why = c.no_cuda ? 'CUDA could not be recorded in this process: ' + c.no_cuda.replace(/\.$/, '') + '.' : null;
  if (isEmpty(c)) return [why];
  const known = new Set(c.contexts.map((x) => x.device)).size;
  return [
    why,
    oom ? 'Out of device memory ' + plural(Math.max(c.oom_count, 1), 'time', 'times') + ': ' + oomText(oom) +
      ' while ' + fmtBytes(oom.live_bytes) + ' was live.' : null,
    c.blamed_ns > 0 ? 'Others waited ' + fmtNs(c.blamed_ns) + ' for the GIL while calls of the driver held it, ' +
      fmtPct(c.sync_blamed_ns, c.blamed_ns) + ' of that while the GPU was waited for.' : null,
    c.peak_bytes > 0 ? 'At most ' + fmtBytes(c.peak_bytes) + ' of device memory was live at once' +
      (c.capacity ? ', ' + fmtPct(c.peak_bytes, c.capacity) + ' of what its devices have' : '') + '.' : null,
    c.contexts.length ? contextText(c.contexts, known, costOf(c.contexts)) : 'libcuda was loaded, but no context was made.',
  ].filter((s) => s);
}

function tiles(c) {
  return el('div.tiles', {},
    tile('Device memory, peak', fmtBytes(c.peak_bytes), c.peak_bytes ? 'at ' + fmtNs(c.peak_t_ns) : 'nothing was allocated'),
    tile('Live at the end', fmtBytes(c.live_bytes), plural(c.allocations, 'allocation', 'allocations') + ' · ' + plural(c.frees, 'free', 'frees')),
    tile('Contexts', fmtCount(c.contexts.length), c.contexts.length ? 'took ' + fmtNs(c.contexts.reduce((s, x) => s + x.create_ns, 0)) + ' to make' : ''),
    tile('GPU waited for', fmtNs(c.sync_ns), fmtNs(c.sync_under_gil_ns) + ' with the GIL held'),
    tile('Others waited', fmtNs(c.blamed_ns), 'for the GIL, while calls of the driver held it'));
}

function jobCard(app) {
  const rows = app.model.processes.map((p, i) => ({ p, i, c: p.cuda })).filter((r) => r.c);
  if (rows.length < 2) return null;
  return card('h-cuda-job', 'All processes', null, makeTable({
    caption: 'CUDA of all processes', rows, page: 10, sort: { column: 3, descending: true },
    columns: [
      { label: 'Process', value: (r) => r.p.pid, cell: (r) => el('a.name', { href: app.link({ page: 'cuda', process: r.i }) }, processLabel(r.p)) },
      { label: 'Contexts', number: true, value: (r) => r.c.contexts.length },
      bytesColumn('They cost', (r) => costOf(r.c.contexts)),
      barColumn(bytesColumn('Peak', (r) => r.c.peak_bytes), rows, 'alloc'), bytesColumn('Live', (r) => r.c.live_bytes, 'At the end'),
      { label: 'Out of memory', number: true, value: (r) => r.c.oom_count, cell: (r) => fmtCount(r.c.oom_count) },
      barColumn(nsColumn('Under the GIL', (r) => r.c.under_gil_ns), rows, 'hold'), barColumn(nsColumn('Others waited', (r) => r.c.blamed_ns), rows, 'blame'),
    ] }));
}

const LOADING = { lazy: 'lazy: each when it is first needed', eager: 'eager: all at once. CUDA_MODULE_LOADING=LAZY takes less time and memory',
                  unknown: 'not known' };

function driverCard(c) {
  const v = c.driver_version;
  const counted = (n, text) => (n ? [fmtCount(n), text] : null);
  const rows = [
    ['Driver', v ? 'CUDA ' + Math.floor(v / 1000) + '.' + Math.floor((v % 1000) / 10) : 'version not known', c.driver_path],
    ['Modules', plural(c.modules.loaded, 'loaded', 'loaded') + ', ' + fmtCount(c.modules.unloaded) + ' unloaded, images of ' + fmtBytes(c.modules.image_bytes)],
    ['Loading', LOADING[c.loading]], ['Launches', fmtCount(c.launches) + ' in ' + fmtNs(c.launch_ns)],
    ['Allocations failed', fmtCount(c.failed)],
    c.no_nvml || !c.devices.some((d) => d.used_bytes) ? ['Use of devices', 'not known', c.no_nvml || 'there is no reading of NVML'] : null,
    ['Lost rows', ...(counted(c.lost_rows, 'what is by stack or over time misses these calls; totals do not') || ['0'])],
    c.unknown_frees ? ['Unknown frees', ...counted(c.unknown_frees, 'of memory nobody saw allocated')] : null,
    c.untracked ? ['Not tracked', ...counted(c.untracked, 'allocations there was no room to remember')] : null];
  return card('h-cuda-driver', 'Driver, and what is not known', null, el('dl.facts', {}, rows.filter((r) => r).map(([k, value, note]) => [
    el('dt', {}, k), el('dd', {}, value, note ? el('span.muted.fact-note', {}, note) : null)])));
}

class CudaPage {
  constructor(app) {
    this.app = app;
    this.node = el('div.page.cuda-page');
    app.onTheme(() => { if (this.chart) this.chart.theme(); });
    this.update();
  }

  update() {
    const at = cudaProcess(this.app.model, this.app.state.process);
    if (at !== this.at) this.build(at);
    if (this.chart) this.chart.update();
    this.shown();
  }

  // What a finding is about, once it is on the screen.
  shown() {
    const { part } = this.app.state;
    const head = part && part !== this.part && this.node.isConnected && document.getElementById('h-cuda-' + part);
    if (!head) return;
    this.part = part;
    head.tabIndex = -1;
    head.parentElement.parentElement.scrollIntoView();
    head.focus({ preventScroll: true });
  }

  build(at) {
    const { app } = this;
    const focused = document.activeElement && document.activeElement.id === 'cuda-process';
    app.tooltip.hide();
    this.at = at;
    this.chart = null;
    if (at < 0) return fillWith(this.node, el('p.empty.big', {}, NOTHING));
    const c = app.model.processes[at].cuda;
    const [first, ...rest] = verdicts(c);
    this.chart = isEmpty(c) ? null : new CudaChart(app, at);
    fillWith(this.node,
      el('section.verdict', { 'aria-label': 'Verdict' }, el('h1', {}, first), rest.length ? el('p.note', {}, rest.join(' ')) : null,
         processField(app, 'cuda', at, { part: '' })),
      isEmpty(c) ? null : tiles(c), jobCard(app), isEmpty(c) ? null : this.cards(at, c));
    if (focused) document.getElementById('cuda-process').focus();
  }

  cards(at, c) {
    const { app } = this;
    return [this.chart.node, oomCard(app, at, c), contextsCard(app), heldCard(app, at, c), stacksCard(app, at, c),
            el('div.columns', {}, kindsCard(c), devicesCard(c)), callsCard(c), driverCard(c)];
  }

  destroy() {
    this.app.tooltip.hide();
  }
}

export const cudaPage = { id: 'cuda', title: 'CUDA', make: (app) => new CudaPage(app) };
