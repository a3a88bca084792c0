// SPDX-License-Identifier: MIT
// Counters of threads by state of the GIL: what was counted while it was held, waited for, or away.
import { el, fillWith } from './dom.js';
import { fmtNs, fmtCount, fmtPct, fmtTimes } from './format.js';
import { STATES, STATE_LABELS, isTime, ipcOf, ipcByThread, countersText, stacksOf } from './counters_model.js';
import { threadLabel, stackOf, frameName } from './model.js';
import { card, processField, stackName, stackCell, placeColumn } from './parts.js';
import { makeTable } from './table.js';

const WHY_SCALED = 'The event shared the hardware with others: it was counted for this part of the time, and scaled to all of it';
const USER_ONLY = 'user mode only: kernel.perf_event_paranoid=1, or the capability CAP_PERFMON, would allow the kernel’s too';

const amount = (event, n) => (isTime(event) ? fmtNs(n) : fmtCount(Math.round(n)));
const column = (label, key, title) => ({ label, number: true, title, value: (r) => r[key], cell: (r) => amount(r.event, r[key]) });
const states = () => STATES.map((k) => column(STATE_LABELS[k], k));
const ratioColumn = (key) => ({ label: STATE_LABELS[key], number: true, value: (r) => r.ipc[key] || 0,
                                cell: (r) => (r.ipc[key] === null ? '–' : r.ipc[key].toFixed(2)) });

export function countersProcess({ processes }, wanted) {
  if (wanted >= 0 && processes[wanted] && processes[wanted].counters) return wanted;
  return processes.findIndex((p) => p.counters);
}

function remark(e) {
  if (e.source === 'none') return 'not counted' + (e.why_not ? ': ' + e.why_not : '');
  return e.source === 'perf_user' ? USER_ONLY : '';
}

function eventsCard(c) {
  const remarks = c.events.filter(remark);
  return card('h-counters-states', 'By state of the GIL', null, makeTable({
    caption: 'Events by state of the GIL', rows: c.events.filter((e) => e.source !== 'none'), empty: 'Nothing could be counted.',
    columns: [{ label: 'Event', value: (r) => r.event }, column('All', 'count'), ...states(),
              column('Not told', 'untold', 'Counted, but in which state is not known'),
              { label: 'While holding', number: true, title: 'Share of all', value: (r) => r.holding / (r.count || 1),
                cell: (r) => fmtPct(r.holding, r.count) }],
  }), remarks.length ? el('ul.notes', {}, remarks.map((e) => el('li', {}, el('strong', {}, e.event), ' ' + remark(e)))) : null);
}

function threadCell(process, r) {
  const at = process.byThread.get(r.thread);
  return at === undefined ? 'tid ' + r.tid : threadLabel(process, at);
}

const threadColumn = (process) => ({ label: 'Thread', value: (r) => threadCell(process, r) });

function threadsCard(process, c) {
  const columns = [threadColumn(process), { label: 'Event', value: (r) => r.event }, column('All', 'count'), ...states()];
  if (c.threads.some((r) => r.counted < 1)) {
    columns.push({ label: 'Counted', number: true, title: WHY_SCALED, value: (r) => r.counted,
                   cell: (r) => (r.counted < 1 ? fmtPct(r.counted, 1) + ' of the time, scaled ' + fmtTimes(1 / r.counted) : 'always') });
  }
  if (c.threads.some((r) => r.shared > 0)) {
    columns.push({ label: 'By time', number: true, title: 'Part of the states that was shared out by time, where states were too short to read in each',
                   value: (r) => r.shared, cell: (r) => amount(r.event, r.shared) });
  }
  return card('h-counters-threads', 'By thread', null, makeTable({
    caption: 'Events by thread and state of the GIL', rows: c.threads, columns, page: 50, empty: 'No thread was counted.' }));
}

function stacksCard(app, at) {
  const { counted, nodes, frames } = app.model;
  const texts = (node) => stackOf(nodes, node).map((f) => frameName(frames, f)).reverse();
  const rows = stacksOf(counted, at).map((r) => ({ ...r, stack: texts(r.node) }));
  if (!rows.length) return null;
  const head = el('span.muted', {}, 'Where a turn or a wait ended; what short turns counted is shared out by samples');
  return card('h-counters-stacks', 'By stack', head, makeTable({
    caption: 'Events by stack and state of the GIL', rows, page: 25, sort: { column: 2, descending: false },
    columns: [{ label: 'Ended in', value: (r) => stackName(app.model, r), cell: (r) => stackCell(app, r, { metric: r.metric, process: at }) }, placeColumn(app),
              { label: 'Event', value: (r) => r.event }, column('All', 'all'), ...states()] }));
}

function ipcCard(process, c) {
  const rows = ipcByThread(c);
  if (!rows.length) return null;
  const all = { thread: -1, tid: 0, ipc: ipcOf(c) };
  return card('h-counters-ipc', 'Instructions a cycle', null, makeTable({
    caption: 'Instructions a cycle by thread and state of the GIL', rows: [all, ...rows],
    columns: [{ ...threadColumn(process), cell: (r) => (r === all ? 'all threads' : threadCell(process, r)) }, ...STATES.map(ratioColumn)] }));
}

class CountersPage {
  constructor(app) {
    this.app = app;
    this.node = el('div.page');
    this.update();
  }

  update() {
    const { app } = this;
    const at = countersProcess(app.model, app.state.process);
    if (at === this.at) return;
    this.at = at;
    const process = app.model.processes[at];
    const c = process.counters;
    const [first, ...rest] = countersText(c);
    fillWith(this.node,
      el('section.verdict', { 'aria-label': 'Verdict' }, el('h1', {}, first || 'What was counted, by state of the GIL'),
         rest.length ? el('p.note', {}, rest.join(' ')) : null, processField(app, 'counters', at, {})),
      eventsCard(c), ipcCard(process, c), stacksCard(app, at), threadsCard(process, c));
  }
}

export const countersPage = { id: 'counters', title: 'Counters', has: (model) => countersProcess(model, -1) >= 0,
                              make: (app) => new CountersPage(app) };
