// SPDX-License-Identifier: MIT
// Who blocks whom: threads against threads, then stacks against stacks.
import { el, isDark } from './dom.js';
import { fmtNs, fmtPct, fmtCount, fmtExactNs } from './format.js';
import { threadLabel, processLabel } from './model.js';
import { layoutMatrix, logShade } from './layout_matrix.js';
import { heatColour, heatText } from './colour.js';
import { makeChains } from './chain_list.js';
import { makeTable, barCell } from './table.js';

const SIDE = 16; // what fits a laptop without scrolling

function nameOf(p, thread) {
  if (thread < 0) return 'other threads';
  return threadLabel(p, p.byThread.has(thread) ? p.byThread.get(thread) : -1);
}

function shortNs(ns) {
  return ns > 0 ? fmtNs(ns) : '';
}

function matrixCell(ctx, w, h) {
  const { m, p, dark } = ctx;
  const ns = m.cells[w][h];
  const t = logShade(ns, m.max);
  const text = nameOf(p, m.waiters[w]) + ' waited ' + fmtNs(ns) + ' for ' + nameOf(p, m.holders[h]) +
    ' (' + fmtPct(ns, m.total) + ' of all)';
  const style = ns > 0 ? { background: heatColour(t, dark), color: heatText(t, dark) } : {};
  return el('td.cell', { style, title: ns > 0 ? text : null }, shortNs(ns));
}

function matrixTable(ctx) {
  const { m, p } = ctx;
  const head = el('tr', {}, el('th.corner', { scope: 'col' }, 'Waiter ↓  Holder →'),
    m.holders.map((t) => el('th.turn', { scope: 'col', title: nameOf(p, t) }, el('span', {}, nameOf(p, t)))),
    el('th.num.sum', { scope: 'col' }, 'Waited'));
  const rows = m.waiters.map((t, w) => el('tr', {},
    el('th', { scope: 'row', title: nameOf(p, t) }, nameOf(p, t)),
    m.holders.map((_, h) => matrixCell(ctx, w, h)), el('td.num.sum', {}, fmtNs(m.rowSum[w]))));
  const foot = el('tr', {}, el('th', { scope: 'row' }, 'Blamed'),
    m.colSum.map((ns) => el('td.num.sum', {}, fmtNs(ns))), el('td.num.sum', {}, fmtNs(m.total)));
  return el('div.table-scroll', { tabindex: 0, role: 'region', 'aria-label': 'Matrix of waiters and holders' },
    el('table.matrix', {}, el('caption.visually-hidden', {}, 'Time each thread waited for each other thread'),
       el('thead', {}, head), el('tbody', {}, rows), el('tfoot', {}, foot)));
}

function pairTable(p, total) {
  const most = p.blame.reduce((s, b) => Math.max(s, b.ns), 1);
  return makeTable({
    caption: 'Pairs of threads', rows: p.blame, sort: { column: 2, descending: true }, page: 15,
    columns: [
      { label: 'Waiter', value: (b) => nameOf(p, b.waiter) }, { label: 'Holder', value: (b) => nameOf(p, b.holder) },
      { label: 'Time', number: true, bars: true, value: (b) => b.ns,
        cell: (b) => barCell(el('span', { title: fmtExactNs(b.ns) }, fmtNs(b.ns)), b.ns / most, 'wait') },
      { label: 'Share', number: true, value: (b) => b.ns, cell: (b) => fmtPct(b.ns, total) },
    ] });
}

function scaleBar(dark) {
  const stops = [0.04, 0.25, 0.5, 0.75, 1].map((t) => heatColour(t, dark)).join(', ');
  return el('span.scale', { 'aria-hidden': 'true' }, el('span', {}, '≤ 0.1 %'),
    el('span.scale-bar', { style: { background: 'linear-gradient(90deg, ' + stops + ')' } }),
    el('span', {}, 'of the worst pair (log)'));
}

function chosen(app) {
  const { processes } = app.model;
  if (app.state.process >= 0 && app.state.process < processes.length) return app.state.process;
  let best = 0;
  processes.forEach((p, i) => {
    if ((p.gil.wait_ns || 0) > (processes[best].gil.wait_ns || 0)) best = i;
  });
  return best;
}

function processMenu(app, at) {
  if (app.model.processes.length < 2) return null;
  return el('label.field', {}, el('span', {}, 'Process'),
    el('select', { onchange: (e) => app.go({ process: Number(e.target.value) }) },
       app.model.processes.map((p, i) => el('option', { value: String(i), selected: i === at }, processLabel(p)))));
}

function threadsSection(app, at) {
  const p = app.model.processes[at];
  const m = layoutMatrix(p ? p.blame : [], SIDE);
  const dark = isDark();
  const body = m.total > 0
    ? [matrixTable({ m, p, dark }),
       el('details.as-table', {}, el('summary', {}, 'All pairs as a list'), pairTable(p, m.total))]
    : el('p.empty', {}, 'No thread waited for another one' + (p && p.free_threaded ? ': this process has no GIL.' : '.'));
  return el('section.card', { 'aria-labelledby': 'h-matrix' },
    el('div.card-head', {}, el('h2', { id: 'h-matrix' }, 'Threads'), m.total > 0 ? scaleBar(dark) : null,
       processMenu(app, at)), body);
}

function edgesSection(app, at) {
  const p = app.model.processes[at];
  if (!p || !p.edges.length) return null;
  return el('section.card', { 'aria-labelledby': 'h-edges' },
    el('h2', { id: 'h-edges' }, 'Wake-ups'),
    el('p.muted', {}, 'Who ended whose wait for a lock, a queue or a join; not the GIL.'),
    makeTable({
      caption: 'Wake-ups between threads', rows: p.edges, sort: { column: 2, descending: true }, page: 15,
      columns: [
        { label: 'Woken', value: (e) => nameOf(p, e.wakee) }, { label: 'By', value: (e) => nameOf(p, e.waker) },
        { label: 'Blocked', number: true, value: (e) => e.blocked_ns, cell: (e) => fmtNs(e.blocked_ns) },
        { label: 'Times', number: true, value: (e) => e.count, cell: (e) => fmtCount(e.count) },
      ] }));
}

class BlocksPage {
  constructor(app) {
    this.app = app;
    this.chains = makeChains(app);
    this.threads = el('div');
    this.edges = el('div');
    this.node = el('div.page', {}, this.threads,
      el('section.card', { 'aria-labelledby': 'h-chains' }, el('h2', { id: 'h-chains' }, 'Stacks'),
         el('p.muted', {}, 'Each pair: what held the GIL, and what waited for it meanwhile.'), this.chains.node),
      this.edges);
    app.onTheme(() => this.drawThreads());
    this.update();
  }

  drawThreads() {
    const at = chosen(this.app);
    this.at = at;
    this.threads.replaceChildren(threadsSection(this.app, at));
    const edges = edgesSection(this.app, at);
    this.edges.replaceChildren(...(edges ? [edges] : []));
  }

  update() {
    if (this.at !== chosen(this.app)) this.drawThreads();
    this.chains.update();
  }
}

export const blocksPage = { id: 'blocks', title: 'Who blocks whom', make: (app) => new BlocksPage(app) };
