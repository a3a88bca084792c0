// SPDX-License-Identifier: MIT
// What free-threaded Python would bring this program, and how far to believe it.
import { el, fillWith } from './dom.js';
import { fmtCount, fmtTimes, fmtNs, plural } from './format.js';
import { processLabel } from './model.js';
import { hasNumber } from './savings_model.js';
import { makeTable } from './table.js';
import { card, tile, processField } from './parts.js';
import { rangeText, curveCard, limitCard, changesCard, memoryCard, modulesCard, groundsCard } from './savings_cards.js';
import { timeCard } from './savings_time.js';

// The process that computes and waits most, unless one is chosen.
export function savingsProcess({ processes }, wanted) {
  if (wanted >= 0 && processes[wanted] && processes[wanted].savings) return wanted;
  const rank = ({ savings: s }) => s.py_ns + s.native_ns + s.gil_wait_ns;
  return processes.reduce((best, p, i) => (p.savings && (best < 0 || rank(p) > rank(processes[best])) ? i : best), -1);
}

const GRADES = {
  A: 'Grade A: it was measured, and next to nothing is in doubt.',
  B: 'Grade B: how much slower Python is per thread was not measured, or something is in doubt.' };

// The sentence, and what has to be said with it.
export function savingsVerdict(s, target) {
  const on = 'On ' + plural(s.at.cores, 'core', 'cores') + ', free-threaded Python ' + target + ' would ';
  const blocked = s.verdict === 'blocked' ? ' An extension module brings the GIL back until it is ported: then ' + fmtTimes(s.back.p50) + '.' : '';
  if (!hasNumber(s)) {
    const ceiling = s.at.max >= 0 ? on + 'run this program at most ' + fmtTimes(s.at.max) + ' as fast; how fast cannot be said.'
                                  : 'What free-threaded Python would bring cannot be said.';
    return [ceiling, 'Grade C: ' + (s.why_not || 'the reason is not known') + '.' + blocked];
  }
  const speed = fmtTimes(s.at.p50) + ' as fast';
  const does = { gain: 'run this program ' + speed, loss: 'make this program slower: ' + speed, neutral: 'change little: ' + speed,
                 blocked: 'run this program ' + speed + ', once its extension modules are ported' }[s.verdict] || 'run this program ' + speed;
  return [on + does + '.', 'Eight of ten cases lie between ' + fmtTimes(s.at.p10) + ' and ' + fmtTimes(s.at.p90) + '. ' + GRADES[s.grade] + blocked];
}

function tiles(s) {
  const said = hasNumber(s);
  return el('div.tiles', {},
    tile('Speed-up', said ? fmtTimes(s.at.p50) : 'not said', said ? rangeText(s.at) : 'grade C'),
    tile('At most', fmtTimes(s.at.max), s.limited_by ? 'limited by ' + s.limited_by : ''),
    s.at.floor >= 0 ? tile('At least', fmtTimes(s.at.floor), 'if nothing is slower than assumed') : null,
    tile('Worth it from', said && s.break_even_cores ? plural(s.break_even_cores, 'core', 'cores') : '–',
        said ? (s.break_even_cores ? 'nine of ten cases gain' : 'on no number of cores for sure') : ''),
    tile('GIL wait removed', fmtNs(s.gil_wait_ns), 'of all threads, in ' + fmtNs(s.wall_ns)));
}

function howTo(model) {
  const reason = model.savings ? 'No process of this capture can be predicted. Record one with'
      : 'What free-threaded Python would bring was not asked for. Record with';
  return el('div.empty.big', {}, el('p', {}, reason), el('p', {}, el('code', {}, 'gilscope run --locks program.py')), el('p', {}, 'and report with'),
            el('p', {}, el('code', {}, 'gilscope report --whatif CAPTURE')));
}

function jobCard(app) {
  const rows = app.model.processes.map((p, i) => ({ p, i, s: p.savings })).filter((r) => r.s);
  if (rows.length < 2) return null;
  const speed = (label, of) => ({ label, number: true, value: (r) => (of(r) >= 0 ? of(r) : -1), cell: (r) => fmtTimes(of(r)) });
  return card('h-savings-job', 'All processes, each alone', null, makeTable({
    caption: 'Savings of all processes', rows, page: 10, sort: { column: 5, descending: true },
    columns: [{ label: 'Process', value: (r) => r.p.pid, cell: (r) => el('a.name', { href: app.link({ page: 'savings', process: r.i }) }, processLabel(r.p)) },
              { label: 'Grade', value: (r) => r.s.grade }, { label: 'Verdict', value: (r) => r.s.verdict },
              speed('Speed-up', (r) => r.s.at.p50), speed('At most', (r) => r.s.at.max),
              { label: 'GIL wait', number: true, value: (r) => r.s.gil_wait_ns, cell: (r) => fmtNs(r.s.gil_wait_ns) },
              { label: 'Threads', number: true, value: (r) => r.s.threads, cell: (r) => fmtCount(r.s.threads) }] }));
}

class SavingsPage {
  constructor(app) {
    this.app = app;
    this.node = el('div.page.savings-page');
    this.update();
  }

  update() {
    const at = savingsProcess(this.app.model, this.app.state.process);
    if (at !== this.at) this.build(at);
  }

  build(at) {
    const { app } = this;
    const focused = document.activeElement && document.activeElement.id === 'savings-process';
    app.tooltip.hide();
    this.at = at;
    if (at < 0) return fillWith(this.node, howTo(app.model));
    const s = app.model.processes[at].savings;
    const [first, second] = savingsVerdict(s, app.model.savings.target);
    fillWith(this.node,
      el('section.verdict', { 'aria-label': 'Verdict' }, el('h1', {}, first), el('p.note', {}, second), processField(app, 'savings', at, {})),
      tiles(s), jobCard(app), this.cards(at, s));
    if (focused) document.getElementById('savings-process').focus();
  }

  cards(at, s) {
    const { app } = this;
    return [curveCard(app, s), hasNumber(s) ? timeCard(app, at, s) : null, el('div.columns', {}, s.at.max >= 0 ? limitCard(s) : null, changesCard(app, at, s)),
            memoryCard(app.model.savings), modulesCard(s), groundsCard(s, app.model.savings.target)];
  }

  destroy() {
    this.app.tooltip.hide();
  }
}

export const savingsPage = { id: 'savings', title: 'Savings', make: (app) => new SavingsPage(app) };
