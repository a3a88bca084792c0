// SPDX-License-Identifier: MIT
// Page 1: is the GIL my problem, who is to blame, and what to do next.
import { el, prose } from './dom.js';
import { fmtNs, fmtPct, fmtCount, fmtShort, fmtBytes, fmtExactNs, plural } from './format.js';
import { processLabel } from './model.js';
import { tile } from './parts.js';
import { bandRows } from './layout_band.js';
import { makeBand } from './draw_band.js';
import { makeTable, barCell } from './table.js';

const SEVERITY = { high: ['High', 'M8 1.5 15 14H1z'], medium: ['Medium', 'M8 1.5 14.5 8 8 14.5 1.5 8z'],
                   low: ['Low', 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z'] };

// Which picture proves a finding, from its stable id.
export function findingMetric(id) {
  if (/victim|wait|starved/.test(id)) return 'wait';
  if (/hold|saturated/.test(id)) return 'hold';
  return 'blame';
}

// What pins has a stack only where allocations were sampled.
function memoryLink(app, process, node) {
  const stack = node >= 0 && app.model.alloc;
  const href = app.link(stack ? { page: 'flame', metric: 'pinned', process, node } : { page: 'memory', process });
  return el('a.evidence', { href }, stack ? 'Show this stack' : 'Show its memory', ' →');
}

const CUDA_PARTS = { oom: 'what was live', contexts: 'the contexts', eager: 'the driver', sync: 'these calls' };

function cudaLink(app, id, process, node) {
  const part = Object.keys(CUDA_PARTS).find((k) => id.includes(k)) || '';
  const stack = part === 'sync' && node >= 0 && app.model.cudaHeld;
  const href = app.link(stack ? { page: 'flame', metric: 'cudablame', process, node }
                              : { page: 'cuda', process, part: { eager: 'driver', sync: 'held' }[part] || part });
  return el('a.evidence', { href }, 'Show ', stack ? 'this stack' : CUDA_PARTS[part] || 'it', ' →');
}

function savingsLink(app, process) {
  return el('a.evidence', { href: app.link({ page: 'savings', process }) }, 'Show the savings →');
}

function findingLink(app, f) {
  const node = Number.isInteger(f.node) && f.node > 0 && f.node < app.model.nodes.n ? f.node : -1;
  const process = f.process >= 0 && f.process < app.model.processes.length ? f.process : -1;
  const threads = process >= 0 ? app.model.processes[process].threads.length : 0;
  const thread = f.thread >= 0 && f.thread < threads ? f.thread : -1;
  if (String(f.id).startsWith('cuda')) return cudaLink(app, String(f.id), process, node);
  if (f.id === 'savings' && app.model.savings) return savingsLink(app, process);
  if (node < 0 && process < 0) return null;
  if (String(f.id).startsWith('memory')) return memoryLink(app, process, node);
  const href = app.link({ page: 'flame', metric: findingMetric(String(f.id)), process, thread, node });
  const what = node >= 0 ? 'Show this stack' : thread >= 0 ? 'Show this thread' : 'Show its stacks';
  return el('a.evidence', { href }, what, ' →');
}

// The number a finding stands on, wherever the analyzer put it.
function findingNumber(f) {
  const e = f.evidence || {};
  if (e.bytes > 0) return numberOf(fmtBytes(e.bytes), e.bytes, e.of_bytes);
  const ns = f.ns > 0 ? f.ns : e.ns > 0 ? e.ns : firstNs(e);
  const of = f.of_ns > 0 ? f.of_ns : e.of_ns;
  return ns > 0 ? numberOf(fmtNs(ns), ns, of) : null;
}

function numberOf(text, value, of) {
  return el('div.finding-number', {}, el('strong', {}, text), of > 0 ? el('span.muted', {}, fmtPct(value, of)) : null);
}

function firstNs(evidence) {
  const key = Object.keys(evidence).find((k) => k.endsWith('_ns') && evidence[k] > 0);
  return key ? evidence[key] : 0;
}

function findingItem(app, f) {
  const known = Object.prototype.hasOwnProperty.call(SEVERITY, f.severity) ? f.severity : 'low';
  const [label, shape] = SEVERITY[known];
  return el('li.finding', {},
    el('span.severity.' + known, { title: label + ' severity' }, app.icon(shape),
       el('span.visually-hidden', {}, label + ' severity: ')),
    el('div.finding-text', {}, el('p.claim', {}, prose(f.claim || '')),
       f.suggestion ? el('p.suggestion', {}, prose(f.suggestion)) : null, findingLink(app, f)),
    findingNumber(f));
}

function findingsCard(app) {
  const list = app.model.findings;
  return el('section.card', { 'aria-labelledby': 'h-findings' },
    el('h2', { id: 'h-findings' }, 'Findings'),
    list.length ? el('ol.findings', {}, list.map((f) => findingItem(app, f)))
                : el('p.empty', {}, 'Nothing stands out: no stack and no thread cost others much time.'));
}

// What arenas keep from the system although it is free, over all processes.
function memoryTile(app) {
  const job = app.model.memory;
  if (!job || !(job.arena_bytes > 0)) return null;
  return tile('Arenas free but pinned', fmtPct(job.pinned_free_bytes, job.arena_bytes),
              el('a', { href: '#memory' }, fmtBytes(job.pinned_free_bytes) + ' of ' + fmtBytes(job.arena_bytes)));
}

// What CUDA takes, where there is any.
function cudaTile(app) {
  const job = app.model.cuda;
  if (!job || !(job.contexts > 0)) return null;
  const contexts = plural(job.contexts, 'context', 'contexts') + (job.context_bytes ? ', ' + fmtBytes(job.context_bytes) + ' more' : '');
  return tile(job.processes > 1 ? 'Device memory, sum of peaks' : 'Device memory, peak', fmtBytes(job.peak_bytes),
              el('a', { href: '#cuda' }, contexts));
}

function spanOf(p) {
  if (p.duration_ns > 0) return p.duration_ns;
  return Math.max(p.timeline.hold.length, p.timeline.wait.length) * p.timeline.bin_ns;
}

function tiles(app) {
  const { total, processes } = app.model;
  const span = processes.reduce((s, p) => s + spanOf(p), 0) || total.duration_ns;
  const forced = total.forced_drops ? ' · ' + fmtShort(total.forced_drops) + ' forced drops' : '';
  return el('div.tiles', {},
    tile('GIL held', fmtPct(total.hold_ns, span), fmtNs(total.hold_ns) + ' of ' + fmtNs(span)),
    tile('Lost waiting', fmtNs(total.wait_ns),
         span > 0 ? (total.wait_ns / span).toFixed(2) + ' threads waiting on average' : ''),
    tile('Turns that had to wait', fmtPct(total.contended, total.acquisitions),
         fmtShort(total.contended) + ' of ' + fmtShort(total.acquisitions) + forced),
    tile('Longest wait', fmtNs(total.worst_wait_ns), 'of any thread'),
    tile('Threads', fmtCount(total.threads), 'in ' + plural(processes.length, 'process', 'processes')), memoryTile(app), cudaTile(app));
}

function chosenProcess(app) {
  const { processes } = app.model;
  if (app.state.process >= 0 && app.state.process < processes.length) return app.state.process;
  let best = 0;
  processes.forEach((p, i) => {
    if ((p.gil.wait_ns || 0) > (processes[best].gil.wait_ns || 0)) best = i;
  });
  return best;
}

function processMenu(app, chosen) {
  if (app.model.processes.length < 2) return null;
  const options = app.model.processes.map((p, i) =>
    el('option', { value: String(i), selected: i === chosen }, processLabel(p)));
  return el('label.field', {}, el('span', {}, 'Process'),
    el('select', { onchange: (e) => app.go({ process: Number(e.target.value) }) }, options));
}

function bandCard(app) {
  if (!app.model.processes.length) return null;
  const chosen = chosenProcess(app);
  const p = app.model.processes[chosen];
  const n = Math.max(p.timeline.hold.length, p.timeline.wait.length);
  const body = n ? bandBody(app, p) : el('p.empty', {}, 'No time line was recorded for this process.');
  return el('section.card', { 'aria-labelledby': 'h-band' },
    el('div.card-head', {}, el('h2', { id: 'h-band' }, 'GIL over time'), legend(), processMenu(app, chosen)),
    body);
}

function legend() {
  return el('div.legend', {}, el('span.key.hold', {}, 'GIL held, share of time'),
            el('span.key.wait', {}, 'threads waiting, mean'));
}

function bandBody(app, p) {
  const gil = p.gil;
  const summary = 'Chart of GIL use over ' + fmtNs(spanOf(p)) + ': held ' + fmtNs(gil.hold_ns) +
    ', waited ' + fmtNs(gil.wait_ns) + '. Left and right arrow read single moments.';
  const band = makeBand(p.timeline, app, summary);
  app.onTheme(band.redraw);
  return [band.node, el('details.as-table', {}, el('summary', {}, 'As a table'), bandTable(p))];
}

function bandTable(p) {
  return makeTable({
    caption: 'GIL over time', rows: bandRows(p.timeline, 40), sort: { column: 0, descending: false },
    columns: [
      { label: 'From', number: true, value: (r) => r.from_ns, cell: (r) => fmtNs(r.from_ns) },
      { label: 'To', number: true, value: (r) => r.to_ns, cell: (r) => fmtNs(r.to_ns) },
      { label: 'GIL held', number: true, value: (r) => r.held, cell: (r) => fmtPct(r.held, 1) },
      { label: 'Threads waiting', number: true, value: (r) => r.waiting,
        cell: (r) => r.waiting.toFixed(2) },
    ] });
}

function threadRows(model) {
  const rows = [];
  model.processes.forEach((p, process) => p.threads.forEach((t, thread) => {
    rows.push({ p, process, thread, t });
  }));
  return rows;
}

function nsColumn(label, key, max, kind, title) {
  const value = (r) => r.t[key] || 0;
  const cell = (r) => {
    const text = el('span', { title: fmtExactNs(value(r)) }, fmtNs(value(r)));
    return kind ? barCell(text, value(r) / max, kind) : text;
  };
  return { label, number: true, bars: Boolean(kind), value, cell, title };
}

function threadsCard(app) {
  const rows = threadRows(app.model);
  const most = (k) => rows.reduce((m, r) => Math.max(m, r.t[k] || 0), 1);
  const flame = (r, metric) => app.link({ page: 'flame', metric, process: r.process, thread: r.thread });
  const name = (r) => r.t.name || 'thread ' + r.t.thread;
  const columns = [
    { label: 'Thread', value: name,
      cell: (r) => el('a.name', { href: flame(r, 'wait'), title: name(r) }, name(r)) },
    { label: 'tid', number: true, value: (r) => r.t.tid, cell: (r) => String(r.t.tid) },
    nsColumn('Waited', 'wait_ns', most('wait_ns'), 'wait', 'Time spent waiting for the GIL'),
    nsColumn('Blamed', 'blamed_ns', most('blamed_ns'), 'blame', 'Time others waited while it held the GIL'),
    nsColumn('Held', 'hold_ns', most('hold_ns'), 'hold', 'Time it held the GIL'),
    nsColumn('p50 wait', 'wait_p50_ns'), nsColumn('p99 wait', 'wait_p99_ns'),
    nsColumn('Longest', 'wait_max_ns', 1, null, 'Longest wait'),
    { label: 'Turns', number: true, value: (r) => r.t.acquisitions || 0, title: 'Times it took the GIL',
      cell: (r) => fmtShort(r.t.acquisitions || 0) },
    nsColumn('CPU', 'cpu_ns', 1, null, 'CPU time of the thread'),
    nsColumn('Run queue', 'runqueue_ns', 1, null, 'Time it was ready and had no CPU'),
  ];
  if (app.model.processes.length > 1) {
    columns.splice(1, 0, { label: 'Process', value: (r) => r.p.pid, cell: (r) => processLabel(r.p) });
  }
  const sort = columns.findIndex((c) => c.label === 'Waited');
  return el('section.card', { 'aria-labelledby': 'h-threads' },
    el('h2', { id: 'h-threads' }, 'Threads'),
    makeTable({ caption: 'Threads', rows, columns, sort: { column: sort, descending: true }, page: 25,
                empty: 'No Python thread was recorded.' }));
}

function verdictCard(app) {
  const text = app.model.verdict || 'No verdict: too little was recorded.';
  return el('section.verdict', { 'aria-label': 'Verdict' }, el('h1', {}, prose(text)), freeThreadedNote(app));
}

function freeThreadedNote(app) {
  const free = app.model.processes.filter((p) => p.free_threaded);
  if (!free.length) return null;
  const all = free.length === app.model.processes.length;
  return el('p.note', {}, all ? 'This is free-threaded Python: it has no GIL, so there are no GIL rows to show.'
                              : plural(free.length, 'process ran', 'processes ran') +
                                ' free-threaded Python, without a GIL; they have no rows here.');
}

export const overviewPage = {
  id: 'overview',
  title: 'Overview',
  make(app) {
    const node = el('div.page', {}, verdictCard(app), tiles(app), findingsCard(app), bandCard(app),
                    threadsCard(app));
    return { node };
  },
};
