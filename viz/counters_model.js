// SPDX-License-Identifier: MIT
// Counters of a process (run --counters): what is counted where, scaled, and what that says. Pure.
import { size, objects, readStackRows } from './checks.js';
import { fmtNs, fmtExactNs, fmtCount } from './format.js';

export const STATES = ['holding', 'waiting', 'off_gil'];
export const STATE_LABELS = { holding: 'Holding', waiting: 'Waiting', off_gil: 'Off the GIL' };
export const metricOfEvent = (event) => 'count/' + event;
const ROW = ['process', 'node', ...STATES, 'estimated'];
const SOURCES = ['none', 'kernel', 'perf', 'perf_user'];

function readEvent(e) {
  const out = { event: String(e.event || '?'), source: SOURCES.includes(e.source) ? e.source : 'none',
                why_not: e.why_not ? String(e.why_not) : '', count: size(e.count), untold: size(e.untold) };
  for (const k of STATES) out[k] = size(e[k]);
  return out;
}

// States are scaled as the count is: an event that shared the hardware counted a part of the time.
function readCount(c) {
  const enabled = size(c.enabled_ns);
  const running = size(c.running_ns);
  const counted = running > 0 && running < enabled ? running / enabled : 1;
  const out = { event: String(c.event || '?'), thread: Number.isInteger(c.thread) ? c.thread : -1, tid: size(c.tid),
                count: counted < 1 ? size(c.scaled) : size(c.count), counted, shared: size(c.shared) / counted };
  for (const k of STATES) out[k] = size(c[k]) / counted;
  return out;
}

export function readCounters(src) {
  if (!src || typeof src !== 'object') return null;
  return { events: objects(src.events).map(readEvent), threads: objects(src.threads).map(readCount),
           switches: Number.isFinite(src.switches_per_handoff) ? src.switches_per_handoff : null };
}

export const isTime = (event) => event === 'task-clock' || event === 'cpu-clock';
export const wasCounted = (c, event) => c.events.some((e) => e.event === event && e.source !== 'none');

const ipc = (rows, key) => {
  const of = (event) => rows.filter((r) => r.event === event).reduce((s, r) => s + r[key], 0);
  return of('cycles') > 0 ? of('instructions') / of('cycles') : null;
};

// Instructions a cycle by state; null where cycles or instructions were not counted.
export function ipcOf(c, rows = c.events) {
  if (!wasCounted(c, 'cycles') || !wasCounted(c, 'instructions')) return null;
  return Object.fromEntries(STATES.map((k) => [k, ipc(rows, k)]));
}

// One row a thread: {thread, tid, ipc}; empty where there is no ipcOf.
export function ipcByThread(c) {
  if (!ipcOf(c)) return [];
  const threads = new Map();
  for (const r of c.threads) threads.set(r.thread, [...(threads.get(r.thread) || []), r]);
  return [...threads].map(([thread, rows]) => ({ thread, tid: rows[0].tid, ipc: ipcOf(c, rows) }))
                     .filter((r) => STATES.some((k) => r.ipc[k] !== null));
}

// Rows by stack, a table for each event, by metricOfEvent(): `all` is what was counted in the three
// states.
export function readCountRows(src, processes, nNodes) {
  const rows = readStackRows(src, ['event', ...STATES, 'estimated'], processes.length, nNodes, 'count_rows');
  const tables = new Map();
  for (let i = 0; rows && i < rows.n; i++) {
    const { counters } = processes[rows.process[i]];
    const known = counters && counters.events[rows.event[i]];
    if (!known) continue;
    const key = metricOfEvent(known.event);
    if (!tables.has(key)) tables.set(key, { event: known.event, n: 0, all: [], ...Object.fromEntries(ROW.map((k) => [k, []])) });
    const t = tables.get(key);
    for (const k of ROW) t[k].push(rows[k][i]);
    t.all.push(STATES.reduce((sum, k) => sum + rows[k][i], 0));
    t.n++;
  }
  return tables;
}

// Of one process, most of each event first.
export function stacksOf(tables, process) {
  const out = [];
  for (const [metric, t] of tables) {
    const rows = t.node.map((node, i) => ({ metric, event: t.event, node, process: t.process[i], all: t.all[i],
                                            ...Object.fromEntries(STATES.map((k) => [k, t[k][i]])) }));
    out.push(...rows.filter((r) => r.process === process && r.all > 0).sort((a, b) => b.all - a.all));
  }
  return out;
}

// As METRICS of model.js.
export function eventMetrics(tables) {
  const metric = ({ event }) => ({ rows: metricOfEvent(event), label: event, noun: event, count: null, column: 'all', width: 'count', bar: 'hold',
                               fmt: isTime(event) ? fmtNs : (n) => fmtCount(Math.round(n)),
                               exact: isTime(event) ? fmtExactNs : (n) => fmtCount(Math.round(n)),
                               what: (isTime(event) ? 'time' : 'number') + ' counted while this code held the GIL, waited for it, or came back to it' });
  return Object.fromEntries([...tables].map(([key, table]) => [key, metric(table)]));
}

const ratio = (v) => v.toFixed(2);

// Sentences.
export function countersText(c) {
  const i = ipcOf(c);
  const out = [];
  if (i && i.holding !== null && i.off_gil !== null) {
    out.push(ratio(i.holding) + ' instructions a cycle while holding the GIL, ' + ratio(i.off_gil) + ' off it.');
  }
  if (c.switches !== null) out.push(ratio(c.switches) + ' context switches while waiting, for each wait that got the GIL.');
  return out;
}
