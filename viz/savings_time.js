// SPDX-License-Identifier: MIT
// Where the time of all threads goes: as recorded, and in as long a time without the GIL.
import { el } from './dom.js';
import { fmtNs, fmtPct, fmtExactNs } from './format.js';
import { TIMES } from './savings_model.js';
import { makeTable } from './table.js';
import { card } from './parts.js';
import { placeCell } from './savings_cards.js';

const LEAST = 0.002; // of the whole, to be drawn

const timeOf = (kind) => TIMES.find((t) => t.kind === kind);

export function fmtSigned(ns) {
  return (ns < 0 ? '−' : '+') + fmtNs(Math.abs(ns));
}

function labelOf(p, t) {
  if (p.what) return 'waiting for ' + p.what;
  return { lock: 'waiting for other locks', queue: 'waiting for other queues' }[p.kind] || t.label;
}

// Locks and queues of one name keep one shade of their kind's colour in both bars.
function rowsOf(s) {
  const seen = {};
  return s.parts.filter((p) => p.recorded_ns || p.became_ns).map((p, i) => {
    const nth = p.what ? (seen[p.kind] = (seen[p.kind] || 0) + 1) : 0;
    const t = timeOf(p.kind);
    return { ...p, i, order: TIMES.indexOf(t), part: t.part + (nth % 2 ? '' : p.what ? '.other' : ''), label: labelOf(p, t) };
  }).sort((a, b) => a.order - b.order || b.then_ns - a.then_ns);
}

function timeBar(title, rows, key, whole) {
  const shown = rows.filter((r) => r[key] > whole * LEAST);
  const text = (r) => r.label + ' ' + fmtNs(r[key]) + ', ' + fmtPct(r[key], whole);
  return el('div.time-row', {}, el('div.time-title', {}, title),
    el('div.rss-bar.time-bar', { role: 'img', 'aria-label': title + ': ' + shown.map(text).join('; ') },
       shown.map((r) => el('span.part.t-' + r.part, { title: text(r), style: { 'flex-grow': String(r[key] / whole) } },
                           r[key] > whole * 0.08 ? el('span.time-label', {}, fmtPct(r[key], whole)) : null))));
}

// "61.2 s: 44.0 s became running, 9.8 s …": the greatest first, what is left last.
export function sentenceOf(s) {
  const running = s.parts.filter((p) => p.kind === 'python' || p.kind === 'native').reduce((sum, p) => sum + p.became_ns, 0);
  const others = rowsOf(s).filter((p) => p.kind !== 'python' && p.kind !== 'native').sort((a, b) => Math.abs(b.became_ns) - Math.abs(a.became_ns));
  const told = others.slice(0, 4);
  const rest = others.slice(4).reduce((sum, p) => sum + p.became_ns, 0);
  const words = (p) => (p.became_ns < 0 ? fmtNs(-p.became_ns) + ' less ' : fmtNs(p.became_ns) + ' ') + p.label;
  return 'Threads waited ' + fmtNs(s.gil_wait_ns) + ' for the GIL. Without it, in as long a time, ' +
    [fmtNs(Math.abs(running)) + (running < 0 ? ' less' : '') + ' of that would be running', ...told.map(words), ...(rest ? [fmtSigned(rest) + ' the rest']
        : [])].join(', ') + '.';
}

export function timeCard(app, process, s) {
  const rows = rowsOf(s);
  if (!s.parts.length || !(s.gil_wait_ns > 0)) return null;
  const gil = { i: -1, part: 'gil', kind: 'gil', what: '', node: 0, label: timeOf('gil').label, recorded_ns: s.gil_wait_ns, became_ns: -s.gil_wait_ns,
      then_ns: 0,
                order: TIMES.length };
  const all = [...rows, gil];
  const whole = Math.max(1, all.reduce((sum, r) => sum + Math.max(0, r.recorded_ns), 0), all.reduce((sum, r) => sum + Math.max(0, r.then_ns), 0));
  const ns = (label, of, title) => ({ label, title, number: true, value: of, cell: (r) => el('span', { title: fmtExactNs(of(r)) }, fmtNs(of(r))) });
  const body = card('h-savings-time', 'Where the wait for the GIL would go', null, el('p.lead', {}, sentenceOf(s)),
    timeBar('As recorded', all, 'recorded_ns', whole), timeBar('Without the GIL, in as long a time', all, 'then_ns', whole),
    makeTable({
      caption: 'Time of all threads', rows: all, page: 20, sort: { column: 3, descending: true },
      columns: [
        { label: 'Threads are', value: (r) => r.order, cell: (r) => [el('span.swatch.part.t-' + r.part, { 'aria-hidden': 'true' }),
            placeCell(app, process, r.label, r.node)] },
        ns('As recorded', (r) => r.recorded_ns), ns('Without the GIL', (r) => r.then_ns, 'In as long a time as the recording took'),
        { label: 'Difference', number: true, value: (r) => r.became_ns, title: 'They add up to nothing: all of the wait for the GIL went somewhere',
          cell: (r) => el('span', { title: fmtExactNs(r.became_ns) }, fmtSigned(r.became_ns)) },
      ] }),
    el('p.muted.small', {}, 'Of all threads together, in the median replay, repeated until as much time is over as the recording took. A wait that is less ' +
       'than before is one that the GIL had made longer: who waited for the GIL with a lock in hand made others wait for the lock.'));
  body.classList.add('time-card');
  return body;
}
