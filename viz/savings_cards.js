// SPDX-License-Identifier: MIT
// The cards of the page Savings: the curve, what limits next, what if, memory, extension modules, what
// is assumed.
import { el } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, fmtTimes, plural } from './format.js';
import { metricOf } from './model.js';
import { hasNumber } from './savings_model.js';
import { makeCurve } from './draw_curve.js';
import { makeTable, barCell } from './table.js';
import { card } from './parts.js';

export const rangeText = (r) => fmtTimes(r.p10) + ' – ' + fmtTimes(r.p90);

// A link where the flame graph has the stack.
export function placeCell(app, process, text, node) {
  const metric = node > 0 ? app.cache('metric of ' + node, () => metricOf(app.model, node)) : null;
  return metric ? el('a.name', { href: app.link({ page: 'flame', metric, process, node }), title: text }, text) : el('span.name', { title: text }, text);
}

// ---- the curve ----

function pointWords(p) {
  return [plural(p.cores, 'core', 'cores'),
    ...(p.p50 >= 0 ? [fmtTimes(p.p50) + ' as fast', 'p10 to p90: ' + rangeText(p)] : []),
    p.max >= 0 ? 'at most ' + fmtTimes(p.max) : 'no ceiling is known',
        ...(p.floor >= 0 ? ['at least ' + fmtTimes(p.floor) + ', if nothing is slower than assumed'] : [])];
}

function curveLegend(s) {
  const said = hasNumber(s);
  return el('div.legend', {}, said ? [el('span.key.speed', {}, 'most likely'), el('span.key.range', {}, 'p10 to p90')] : null,
    el('span.key.ceiling', {}, 'ceiling: no schedule is faster'),
    s.curve.some((p) => p.floor >= 0) ? el('span.key.floor', {}, 'floor, if nothing is slower than assumed') : null,
    said && s.break_even_cores ? el('span.key.even', {}, 'worth it from here') : null);
}

function curveTable(s) {
  const column = (label, of, title) => ({ label, title, number: true, value: (p) => (of(p) >= 0 ? of(p) : -1), cell: (p) => fmtTimes(of(p)) });
  const said = hasNumber(s);
  return el('details.as-table', {}, el('summary', {}, 'As a table'), makeTable({
    caption: 'Speed-up over cores', rows: s.curve, sort: { column: 0, descending: false },
    columns: [{ label: 'Cores', number: true, value: (p) => p.cores, cell: (p) => fmtCount(p.cores) },
              ...(said ? [column('p10', (p) => p.p10), column('Most likely', (p) => p.p50), column('p90', (p) => p.p90)] : []),
              column('At most', (p) => p.max), ...(s.curve.some((p) => p.floor >= 0) ? [column('At least', (p) => p.floor)] : [])] }));
}

export function curveCard(app, s) {
  if (!s.curve.length) return null;
  const breakEven = hasNumber(s) && s.break_even_cores ? s.curve.findIndex((p) => p.cores >= s.break_even_cores) : -1;
  const last = s.curve[s.curve.length - 1];
  const summary = 'Chart of speed-up over cores: ' + pointWords(last).join(', ') + '. Left and right arrow read single numbers of cores.';
  const curve = makeCurve(app, { points: s.curve, breakEven, summary, words: pointWords });
  app.onTheme(curve.redraw);
  return card('h-savings-curve', 'Speed-up over cores', curveLegend(s), curve.node, curveTable(s));
}

// ---- what limits, what if ----

export function limitCard(s) {
  const limit = { cores: 'the cores: all are busy all the time', 'critical path': 'the critical path: what has to be done one after another' }[s.limited_by];
  return card('h-savings-limit', 'What limits it then', null,
    el('p.lead', {}, 'No schedule on ' + plural(s.at.cores, 'core', 'cores') + ' passes ' + fmtTimes(s.at.max) + ', because of ' +
        (limit || s.limited_by || 'what is not known') + '.' +
       (s.max_if_not_faster < s.at.max * 0.99 ? ' That allows for a Python that is faster per thread; if it is not, ' + fmtTimes(s.max_if_not_faster) +
           '.' : '')),
    s.drivers.length && hasNumber(s) ? makeTable({
      caption: 'What the range depends on', rows: s.drivers, page: 10, sort: { column: 1, descending: true },
      columns: [{ label: 'The range depends on', value: (d) => d.text }, { label: 'Share', number: true, bars: true, value: (d) => d.share,
                  cell: (d) => barCell(fmtPct(d.share, 1), d.share, 'hold') }] }) : null,
    s.mode === 'prior' ? el('p.muted.small', {}, 'Nothing of this was measured here: ', el('code', {}, 'gilscope calibrate'),
        ' measures it, and makes the range narrower.') : null);
}

export function changesCard(app, process, s) {
  if (!hasNumber(s)) return null;
  const rows = s.changes.map((c) => ({ ...c, base: c.now >= 0 ? c.now : s.median }));
  const gain = (c) => c.s / c.base - 1;
  const most = rows.reduce((m, c) => Math.max(m, gain(c)), 0.01);
  return card('h-savings-whatif', 'What if', el('span.muted', {}, 'now ' + fmtTimes(s.median)), makeTable({
    caption: 'What if', rows, page: 12, sort: { column: 2, descending: true }, empty: 'Nothing that one change could bring was found.',
    columns: [
      { label: 'The same program', value: (c) => c.what, cell: (c) => placeCell(app, process, c.what, c.node) },
      { label: 'Speed-up', number: true, value: (c) => c.s, cell: (c) => fmtTimes(c.s) },
      { label: 'More', number: true, bars: true, value: gain, title: 'Than without the change',
        cell: (c) => barCell((gain(c) < 0 ? '−' : '+') + fmtPct(Math.abs(gain(c)), 1), gain(c) / most, 'alloc') },
    ] }));
}

// ---- memory ----

const widthOf = (bytes, whole) => ((100 * bytes) / whole).toFixed(2) + '%';

function memoryBar(text, kind, bytes, whole, range) {
  const whiskers = range && { left: widthOf(range.p10, whole), width: widthOf(range.p90 - range.p10, whole) };
  return el('div.mem-row', {}, el('span.mem-name', {}, text),
    el('span.mem-bar', {}, el('span.' + kind, { style: { width: widthOf(bytes, whole) } }), range ? el('span.mem-range', { style: whiskers }) : null),
    el('span.mem-value', {}, fmtBytes(bytes), range ? el('span.muted.small', {}, ' ' + fmtBytes(range.p10) + ' – ' + fmtBytes(range.p90)) : null));
}

function memoryBars(label, now, then, range) {
  const whole = Math.max(now, range.p90, 1);
  const words = label + ': now ' + fmtBytes(now) + ', as threads ' + fmtBytes(then) + ', between ' + fmtBytes(range.p10) + ' and ' + fmtBytes(range.p90);
  return el('div.mem-bars', { role: 'img', 'aria-label': words }, el('h3', {}, label),
    memoryBar('now', 'now', now, whole, null), memoryBar('as threads', 'then', then, whole, range));
}

function taxText(t) {
  const parts = [t.pickle_ns ? fmtNs(t.pickle_ns) + ' of pickling' : '', t.ipc_ns ? fmtNs(t.ipc_ns) + ' of passing it on' : '',
                 t.duplicated_bytes ? fmtBytes(t.duplicated_bytes) + ' that they hold more than once' : ''].filter((x) => x);
  return 'Being several processes costs ' + parts.join(', ') + '.';
}

export function memoryCard({ memory: m, tax }) {
  if (!m && !tax) return null;
  return card('h-savings-memory', 'Threads in place of processes', m && m.processes ? el('span.muted', {}, plural(m.processes, 'process', 'processes')) : null,
    m && m.now_bytes && m.threads.p50 ? memoryBars('Memory', m.now_bytes, m.threads.p50, m.threads) : null,
    m && m.cuda_now_bytes && m.cuda_threads.p50
      ? memoryBars('Device memory', m.cuda_now_bytes, m.cuda_threads.p50, m.cuda_threads) : null,
    tax ? el('p.note', {}, taxText(tax)) : null);
}

// ---- extension modules ----

const ANSWER = { 'not needed': ['says that it needs no GIL', 'good'], 'not said': ['does not say so: it brings the GIL back', 'bad'],
    unknown: ['not known', 'unknown'] };

function countText(n) {
  const parts = [n('not needed') ? fmtCount(n('not needed')) + (n('not needed') > 1 ? ' say so' : ' says so') : '',
                 n('not said') ? fmtCount(n('not said')) + (n('not said') > 1 ? ' do not' : ' does not') : '', n('unknown') ? 'of ' +
                     fmtCount(n('unknown')) + ' it is not known' : ''];
  return 'Here ' + parts.filter((t) => t).join(', ') + '.';
}

export function modulesCard(s) {
  if (!s.modules.length) return null;
  const n = (gil) => s.modules.filter((m) => m.gil === gil).length;
  const back = s.back.p50 >= 0 ? ' Until ' + (n('not said') > 1 ? 'they are' : 'it is') + ' ported, the program would be ' + fmtTimes(s.back.p50) +
      ' as fast (' + rangeText(s.back) + '): ' +
    'the GIL is back, and Python is slower.' : '';
  const base = (m) => m.path.slice(m.path.lastIndexOf('/') + 1);
  return card('h-savings-modules', 'Extension modules', null,
    el('p.lead', {}, 'Free-threaded Python takes the GIL back when it imports a module that does not say that it needs none. ' + countText(n) +
        (n('not said') ? back : '')),
    makeTable({
      caption: 'Extension modules', rows: s.modules, page: 12, sort: { column: 1, descending: false },
      columns: [{ label: 'Module', value: base, cell: (m) => el('span.name.mono', { title: m.path }, base(m)) },
                { label: 'As built', value: (m) => ['not said', 'unknown', 'not needed'].indexOf(m.gil) + base(m),
                  cell: (m) => [el('span.answer.' + ANSWER[m.gil][1], { 'aria-hidden': 'true' }), ANSWER[m.gil][0], m.why ? el('span.callers.muted.small',
                      {}, m.why) : null] }] }));
}

// ---- what it stands on ----

export function groundsCard(s, target) {
  const rows = [
    ['Python', 'free-threaded ' + target, 'all packages are there for it, and do the same'],
    ['Threads', fmtCount(s.threads) + ', as recorded', 'more of them only where a pool hands them work'],
    ['Cores', fmtCount(s.at.cores), 'with nothing else to do'],
    ['Per thread', s.mode === 'calibrated' ? 'slower by what was measured' : 'slower by what is usual', s.mode === 'calibrated'
        ? 'gilscope calibrate, on this program' : 'not measured on this program'],
    ['CPU time', s.core_time >= 0 ? fmtTimes(s.core_time) + ' what it took' : '–', 'all cores together'],
    ['Grade', s.grade, { A: 'measured, and next to nothing is in doubt', B: 'a range that can be relied on as far as the assumptions hold',
        C: 'a ceiling, and no number' }[s.grade]]];
  const not = [
    'that the program is correct without the GIL: what it shares without a lock has to be looked at',
    'what more threads than recorded would bring, but where a pool hands them work', 'other machines, other versions of Python',
    'changes of what the program does: time-outs, retries, batches that depend on load',
    'objects that many threads use at once: their reference counts may slow them down', 'anything that is limited by a device or by a service elsewhere'];
  return card('h-savings-grounds', 'What this stands on, and what it does not say', null, el('div.columns', {},
    el('dl.facts', {}, rows.map(([k, v, note]) => [el('dt', {}, k), el('dd', {}, v, el('span.muted.fact-note', {}, note))])),
    el('div', {}, el('h3', {}, 'Not covered'), el('ul.notes.dots', {}, not.map((t) => el('li', {}, t))))));
}
