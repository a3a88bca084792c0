// SPDX-License-Identifier: MIT
// Why is the resident size what it is: what pymalloc's arenas hold, what keeps them, and what the
// rest is.
import { el, fillWith, isDark } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, fmtShort, plural } from './format.js';
import { processLabel, framePlace } from './model.js';
import { card, tile, exact, processField, stackName, stackCell, placeColumn } from './parts.js';
import { CLASSES } from './memory_model.js';
import { MEMORY_LAYERS, thinned } from './layout_series.js';
import { makeSeries } from './draw_series.js';
import { snapshotAt } from './arena_replay.js';
import { ArenaPanel } from './arena_panel.js';
import { classSwatch } from './arena_detail.js';
import { makeTable, barCell } from './table.js';

// What RSS is made of: name, and the class that colours it.
const PARTS = {
  arenas_used: ['Arenas: blocks in use', 'used'], arenas_free: ['Arenas: free', 'free'],
  arenas_overhead: ['Arenas: headers and rounding', 'over'], frame_stacks: ['Python’s frame stacks', 'frames'],
  heap_in_use: ['C heap in use', 'heap'], heap_retained: ['C heap, free but kept', 'kept'], heap: ['C heap', 'heap'],
  thread_heaps: ['C heaps of threads', 'theaps'], file: ['Files: programs, libraries', 'file'],
  file_private: ['Private copies of files', 'copies'], stack: ['Main stack', 'stack'], agent: ['gilscope itself', 'agent'],
  other: ['Other mappings', 'other'], unexplained: ['Not explained', 'unexplained'],
};

const partOf = (what) => (Object.prototype.hasOwnProperty.call(PARTS, what) ? PARTS[what] : [what, 'other']);

// The process that keeps most free memory, unless one is chosen.
export function memoryProcess(model, wanted) {
  if (wanted >= 0 && model.processes[wanted] && model.processes[wanted].memory) return wanted;
  let best = -1;
  model.processes.forEach((p, i) => {
    const better = p.memory && (best < 0 || p.memory.last.pinned_free_bytes > model.processes[best].memory.last.pinned_free_bytes);
    if (better) best = i;
  });
  return best;
}

function pinnerText(app, m) {
  const worst = m.alloc && m.alloc.stacks.reduce((a, b) => (b.pinned_bytes > a.pinned_bytes ? b : a), { pinned_bytes: 0 });
  if (!worst || !worst.pinned_bytes) return '';
  const place = worst.node ? ' (' + framePlace(app.model.frames, app.model.nodes.frame[worst.node]) + ')' : '';
  return ' Blocks of ' + stackName(app.model, worst) + place + ' pin ' + fmtBytes(worst.pinned_bytes) + ' of it.';
}

function verdictText(app, m) {
  const { arena_bytes: arenas, pinned_free_bytes: pinned, rss_bytes: rss } = m.last;
  if (m.no_arenas) return 'This process has no arenas to look into: ' + m.no_arenas + '.';
  if (!arenas) return 'No arena was in use at the end.';
  const share = fmtPct(pinned, arenas);
  const of = ' of the ' + fmtBytes(arenas) + ' in pymalloc’s arenas';
  if (pinned < arenas / 5) return 'Arenas are well used: only ' + share + of + ' is free.';
  const pinner = pinnerText(app, m) || (rss ? ' That is ' + fmtPct(pinned, rss) + ' of the resident size.' : '');
  return share + of + ' (' + fmtBytes(pinned) + ') is free, but pinned by what is still in use.' + pinner;
}

// The end may be after everything was freed: then the worst moment says more.
function worstNote(app, at, m, map) {
  const { worst, last } = m;
  if (worst.pinned_free_bytes < last.pinned_free_bytes * 1.25 || worst.pinned_free_bytes < worst.arena_bytes / 5) return null;
  const text = fmtBytes(worst.pinned_free_bytes) + ' of ' + fmtBytes(worst.arena_bytes) + ', ' +
    fmtPct(worst.pinned_free_bytes, worst.arena_bytes) + ', at ' + fmtNs(worst.t_ns);
  const href = map && app.link({ page: 'memory', process: at, snapshot: snapshotAt(map, worst.t_ns) });
  return el('p.note', {}, 'That is at the end. At worst it was ' + text + '. ', href ? el('a', { href }, 'Show that moment →') : null);
}

function tiles(m) {
  const s = m.last;
  if (m.no_arenas) {
    return el('div.tiles', {}, tile('Resident', fmtBytes(s.rss_bytes), 'at the last reading'),
      tile('Proportional', fmtBytes(m.pss_bytes), 'shared pages divided'), tile('Its own alone', fmtBytes(m.uss_bytes), 'what its end would free'),
      tile('Swapped out', fmtBytes(m.swap_bytes), 'not resident'));
  }
  return el('div.tiles', {},
    tile('Resident', fmtBytes(s.rss_bytes), m.uss_bytes ? fmtBytes(m.uss_bytes) + ' of its own alone' : 'at the last reading'),
    tile('Arenas', fmtBytes(s.arena_bytes), plural(s.arenas, 'arena', 'arenas') + ' · peak ' + fmtBytes(m.peak_arena_bytes)),
    tile('In use', fmtBytes(s.used), fmtPct(s.used, s.arena_bytes) + ' of the arenas'),
    tile('Free but pinned', fmtBytes(s.pinned_free_bytes), fmtPct(s.pinned_free_bytes, s.arena_bytes) + ' of the arenas'),
    tile('Free whole pools', fmtBytes(s.empty), 'of that: usable for any size of block'));
}

function jobText(job) {
  return plural(job.processes, 'process', 'processes') + ' at their last readings: ' + fmtBytes(job.arena_bytes) + ' in arenas, ' +
    fmtBytes(job.pinned_free_bytes) + ' (' + fmtPct(job.pinned_free_bytes, job.arena_bytes) + ') of that free but pinned; ' +
    (job.pss_bytes ? fmtBytes(job.pss_bytes) + ' resident, what they share counted once.' : fmtBytes(job.rss_bytes) + ' resident, one by one.');
}

function jobCard(app) {
  const { model } = app;
  const rows = model.processes.map((p, i) => ({ p, i, m: p.memory })).filter((r) => r.m);
  if (rows.length < 2) return null;
  const most = rows.reduce((a, r) => Math.max(a, r.m.last.pinned_free_bytes), 1);
  const bytes = (label, of, title) => ({ label, title, number: true, value: of, cell: (r) => exact(of(r)) });
  return card('h-job', 'All processes', null, model.memory ? el('p.muted.lead', {}, jobText(model.memory)) : null, makeTable({
    caption: 'Memory of all processes', rows, page: 10, sort: { column: 4, descending: true },
    columns: [
      { label: 'Process', value: (r) => r.p.pid, cell: (r) => el('a.name', { href: app.link({ page: 'memory', process: r.i }) }, processLabel(r.p)) },
      bytes('Resident', (r) => r.m.last.rss_bytes), bytes('Own alone', (r) => r.m.uss_bytes, 'Pages no other process shares'),
      bytes('Arenas', (r) => r.m.last.arena_bytes),
      { label: 'Free but pinned', number: true, bars: true, value: (r) => r.m.last.pinned_free_bytes,
        cell: (r) => barCell(exact(r.m.last.pinned_free_bytes), r.m.last.pinned_free_bytes / most, 'free') },
      { label: 'Of its arenas', number: true, value: (r) => r.m.last.pinned_free_bytes / (r.m.last.arena_bytes || 1),
        cell: (r) => fmtPct(r.m.last.pinned_free_bytes, r.m.last.arena_bytes) },
    ] }));
}

function seriesLegend(layers) {
  return el('div.legend', {}, layers.map(({ label, kind }) => el('span.key.' + kind, {}, label)),
            el('span.key.line', {}, 'resident size'));
}

function seriesTable(samples, layers) {
  const bytes = (label, key) => ({ label, number: true, value: (s) => s[key], cell: (s) => fmtBytes(s[key]) });
  return makeTable({
    caption: 'Memory over time', rows: thinned(samples, 40), sort: { column: 0, descending: false },
    columns: [{ label: 'At', number: true, value: (s) => s.t_ns, cell: (s) => fmtNs(s.t_ns) }, bytes('Resident', 'rss_bytes'),
              bytes('Arenas', 'arena_bytes'), ...layers.map(({ key, label }) => bytes(label, key))] });
}

function seriesCard(m, series, layers) {
  if (!series) return card('h-series', 'Memory over time', null, el('p.empty', {}, 'No reading was recorded.'));
  return card('h-series', 'Memory over time', seriesLegend(layers), series.node,
    el('details.as-table', {}, el('summary', {}, 'As a table'), seriesTable(m.samples, layers)));
}

// A sample in words, the time first.
function sampleWords(s, layers) {
  const lines = [fmtNs(s.t_ns), fmtBytes(s.rss_bytes) + ' resident'];
  if (layers.length) lines.push(fmtBytes(s.arena_bytes) + ' arenas');
  return lines.concat([...layers].reverse().map(({ key, label }) => fmtBytes(s[key]) + ' ' + label));
}

function seriesOf(app, m, layers) {
  if (!m.samples.length) return null;
  const summary = 'Chart of memory over time, ' + plural(m.samples.length, 'reading', 'readings') + ', up to ' + fmtNs(m.last.t_ns) +
    ': resident ' + fmtBytes(m.last.rss_bytes) + ' at the end, arenas ' + fmtBytes(m.last.arena_bytes) +
    '. Left and right arrow read single moments.';
  return makeSeries(app, { samples: m.samples, layers, line: 'rss_bytes', summary, words: (s) => sampleWords(s, layers) });
}

function rssParts(m) {
  const rows = m.explained.map((r, i) => ({ i, bytes: r.bytes, label: partOf(r.what)[0], kind: partOf(r.what)[1] }));
  const [label, kind] = PARTS.unexplained;
  return m.unexplained_bytes ? [...rows, { i: rows.length, bytes: m.unexplained_bytes, label, kind }] : rows;
}

function rssBar(rows, rss) {
  const shown = rows.filter((r) => r.bytes > 0);
  const text = (r) => r.label + ' ' + fmtBytes(r.bytes) + ', ' + fmtPct(r.bytes, rss);
  return el('div.rss-bar', { role: 'img', 'aria-label': 'The resident size in parts: ' + shown.map(text).join('; ') },
    shown.map((r) => el('span.part.' + r.kind, { title: text(r), style: { 'flex-grow': String(r.bytes / rss) } })));
}

function rssCard(m) {
  const rows = rssParts(m);
  if (!(m.rss_bytes > 0) || !rows.length) {
    return card('h-rss', 'What the resident size is', null, el('p.empty', {}, 'The mappings of this process were not read.'));
  }
  const less = m.unexplained_bytes < 0 ? 'The parts were read a moment apart, and are more than the whole by what is not explained. ' : '';
  const swap = m.swap_bytes ? fmtBytes(m.swap_bytes) + ' more are swapped out.' : '';
  return card('h-rss', 'What the resident size is', el('span.muted', {}, fmtBytes(m.rss_bytes)), rssBar(rows, m.rss_bytes), makeTable({
    caption: 'Parts of the resident size', rows, page: 20, sort: { column: 1, descending: true },
    columns: [
      { label: 'What', value: (r) => r.label, cell: (r) => [el('span.swatch.part.' + r.kind, { 'aria-hidden': 'true' }), r.label] },
      { label: 'Bytes', number: true, value: (r) => r.bytes, cell: (r) => exact(r.bytes) },
      { label: 'Share', number: true, value: (r) => r.bytes, cell: (r) => fmtPct(r.bytes, m.rss_bytes) },
    ] }), less || swap ? el('p.muted.small', {}, less + swap) : null);
}

function classCard(m) {
  const dark = isDark();
  return card('h-classes', 'Size classes', el('span.muted', {}, 'at the end'), makeTable({
    caption: 'Size classes of pymalloc', rows: m.classes, page: 12, sort: { column: 5, descending: true },
    empty: 'No pool was in use.',
    columns: [
      { label: 'Block', value: (c) => c.size_bytes,
        cell: (c) => [classSwatch(Math.min(CLASSES, Math.max(1, Math.round(c.size_bytes / 16))), dark), fmtBytes(c.size_bytes)] },
      { label: 'Pools', number: true, value: (c) => c.pools, cell: (c) => fmtCount(c.pools) },
      { label: 'In use', number: true, value: (c) => c.blocks_used, cell: (c) => fmtCount(c.blocks_used), title: 'Blocks in use' },
      { label: 'Blocks', number: true, value: (c) => c.blocks_total, cell: (c) => fmtCount(c.blocks_total), title: 'Blocks that fit into these pools' },
      { label: 'Fill', number: true, bars: true, value: (c) => c.blocks_used / (c.blocks_total || 1),
        cell: (c) => barCell(fmtPct(c.blocks_used, c.blocks_total), c.blocks_used / c.blocks_total, 'alloc') },
      { label: 'Free', number: true, value: (c) => c.free_bytes, cell: (c) => exact(c.free_bytes) },
    ] }));
}

function pinnerTable(app, process, { stacks, pinned_bytes: whole }) {
  const most = stacks.reduce((a, s) => Math.max(a, s.pinned_bytes), 1);
  const link = app.model.alloc && { metric: 'alloc', process };
  return makeTable({
    caption: 'Stacks whose blocks pin free memory', rows: stacks, page: 8, sort: { column: 2, descending: true },
    empty: 'No sampled block was in use at the end.',
    columns: [
      { label: 'Allocated in', value: (s) => stackName(app.model, s), cell: (s) => stackCell(app, s, link) },
      placeColumn(app),
      { label: 'Pins', number: true, bars: true, value: (s) => s.pinned_bytes, title: 'Free memory its blocks keep from the system',
        cell: (s) => barCell(exact(s.pinned_bytes), s.pinned_bytes / most, 'free') },
      { label: 'Of all pinned', number: true, value: (s) => s.pinned_bytes, cell: (s) => fmtPct(s.pinned_bytes, whole) },
      { label: 'Live', number: true, value: (s) => s.live_bytes, cell: (s) => exact(s.live_bytes), title: 'Bytes in use at the end' },
      { label: 'Blocks', number: true, value: (s) => s.live_blocks, cell: (s) => fmtShort(s.live_blocks), title: 'Blocks in use at the end' },
      { label: 'Samples', number: true, value: (s) => s.samples, cell: (s) => fmtCount(s.samples) },
    ] });
}

function pinnersBody(app, process, m) {
  const { alloc } = m;
  if (!alloc) return el('p.empty', {}, 'Allocations were not sampled. Record again with ', el('code', {}, '--alloc'), ' to see whose blocks keep the arenas.');
  if (alloc.no_allocs) return el('p.empty', {}, 'Allocations could not be sampled: ' + alloc.no_allocs);
  const lost = alloc.lost_allocs + alloc.lost_frees;
  return [
    el('p.muted.lead', {}, 'Estimated from ' + plural(alloc.samples, 'sample', 'samples') + ', one every ' + fmtBytes(alloc.mean_bytes) +
       ' allocated; ' + fmtCount(alloc.live_samples) + ' of them in use at the end. A block pins its share of what is free in its arena.',
       lost ? el('strong', {}, ' ' + plural(lost, 'row was', 'rows were') + ' lost.') : null),
    pinnerTable(app, process, alloc)];
}

function mapBody(panel) {
  return panel ? panel.node : el('p.empty', {}, 'No snapshot of the arenas was recorded.');
}

const MAP_TEXT = 'Each row is an arena, each cell one of its pools. An arena goes back to the system only when all of its pools are free.';

const NOTHING = 'This capture holds no readings of memory: it was recorded by an older gilscope, or without them.';

class MemoryPage {
  constructor(app) {
    this.app = app;
    this.node = el('div.page.memory-page');
    app.onTheme(() => this.theme());
    this.update();
  }

  update() {
    const at = memoryProcess(this.app.model, this.app.state.process);
    if (at !== this.at) this.build(at);
    if (this.panel) this.panel.update();
  }

  shown() {
    if (this.panel) this.panel.reveal();
  }

  build(at) {
    const { app } = this;
    const focused = document.activeElement && document.activeElement.id === 'memory-process';
    this.destroy();
    this.at = at;
    if (at < 0) return fillWith(this.node, el('p.empty.big', {}, NOTHING));
    const m = app.model.processes[at].memory;
    const map = app.model.arenaMaps.get(at);
    const layers = m.no_arenas ? [] : MEMORY_LAYERS;
    this.series = seriesOf(app, m, layers);
    const moment = (t_ns) => { if (this.series) this.series.mark(t_ns); };
    this.panel = map && map.snapshots.length ? new ArenaPanel(app, at, map, moment) : null;
    this.classes = el('div.tight', { hidden: Boolean(m.no_arenas) }, classCard(m));
    fillWith(this.node,
      el('section.verdict', { 'aria-label': 'Verdict' }, el('h1', {}, verdictText(app, m)), worstNote(app, at, m, map),
        processField(app, 'memory', at, { snapshot: -1, arena: -1 })),
      tiles(m), jobCard(app), seriesCard(m, this.series, layers),
      m.no_arenas && !m.alloc ? null : card('h-pins', 'Who pins', null, pinnersBody(app, at, m)),
      m.no_arenas ? null : card('h-map', 'Arena map', null, el('p.muted.lead', {}, MAP_TEXT), mapBody(this.panel)),
      el('div.columns', {}, rssCard(m), this.classes));
    if (focused) document.getElementById('memory-process').focus();
  }

  theme() {
    if (this.at < 0) return;
    if (this.series) this.series.redraw();
    fillWith(this.classes, classCard(this.app.model.processes[this.at].memory));
    if (this.panel) this.panel.theme();
  }

  destroy() {
    if (this.panel) this.panel.destroy();
    this.panel = null;
    this.app.tooltip.hide();
  }
}

export const memoryPage = { id: 'memory', title: 'Memory', make: (app) => new MemoryPage(app) };
