// SPDX-License-Identifier: MIT
// Counters of a process (run --counters): what is counted where, scaled, and what that says. Pure.
import { size, objects } from './checks.js';

export const STATES = ['holding', 'waiting', 'off_gil'];
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
