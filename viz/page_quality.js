// SPDX-License-Identifier: MIT
// What the numbers stand on: losses, overhead, settings, versions. Nothing here is rounded away.
import { el } from './dom.js';
import { fmtNs, fmtCount, fmtDate, fmtExactNs } from './format.js';
import { makeTable } from './table.js';

function definitions(rows) {
  return el('dl.facts', {}, rows.filter((r) => r).map(([k, v, note]) => [
    el('dt', {}, k), el('dd', {}, v, note ? el('span.muted.fact-note', {}, note) : null)]));
}

function card(id, title, ...body) {
  return el('section.card', { 'aria-labelledby': id }, el('h2', { id }, title), body);
}

function yesNo(v, yes, no) {
  return v === undefined ? 'not recorded' : v ? yes : no;
}

function sumOf(processes, key) {
  return processes.reduce((s, p) => s + (p[key] || 0), 0);
}

function lossCard({ capture, total, processes }) {
  const chunks = sumOf(processes, 'lost_chunks');
  const names = sumOf(processes, 'lost_definitions');
  const pct = Number.isFinite(capture.overhead_pct) ? capture.overhead_pct.toFixed(2) + '\u00a0%' : '–';
  return card('h-loss', 'Can these numbers be trusted?', definitions([
    ['Lost events', fmtCount(capture.lost_events || 0),
     capture.lost_events ? 'waits without a known holder are smaller by what was lost' : 'every turn was recorded'],
    ['Complete', yesNo(capture.complete, 'yes', 'no'),
     capture.complete === false ? 'the program was killed, a file is cut short, or parts could not be written' : null],
    ['Overhead', pct, capture.overhead_ns > 0 ? fmtNs(capture.overhead_ns) + ' of CPU time, measured by the recorder itself' : null],
    ['Open at the end', fmtNs(total.open_wait_ns) + ' waiting, ' + fmtNs(total.open_hold_ns) + ' holding',
     'turns not over when recording ended; not part of the totals'],
    ...processes.filter((p) => p.detail_from_ns > 0).map((p) => [
      'Detail of pid ' + p.pid, 'the last ' + fmtNs(p.duration_ns - p.detail_from_ns) + ' of ' + fmtNs(p.duration_ns),
      'stacks, blame and percentiles are of that part, totals of the whole run']),
    chunks ? ['Missing chunks', fmtCount(chunks), 'gaps in the chunk numbers of a capture'] : null,
    names ? ['Missing names', fmtCount(names), 'stacks shown as (lost)'] : null,
    capture.damaged_chunks ? ['Damaged', fmtCount(capture.damaged_chunks) + ' chunks'] : null,
    capture.pruned_ns > 0 ? ['Left out of this report', fmtExactNs(capture.pruned_ns)] : null,
  ]));
}

function versionCard({ version, engine, capture }) {
  return card('h-version', 'Versions and clock', definitions([
    ['gilscope', version], ['Engine', engine], ['Capture format', String(capture.format || '–')],
    ['Files', fmtCount(capture.files || 0)], ['Recorded', fmtNs(capture.duration_ns || 0)],
    ['Clock', String(capture.clock || 'monotonic, nanoseconds')],
  ]));
}

function settingsRows(settings) {
  if (Array.isArray(settings)) {
    return settings.map((s) => [String(s).split('=')[0], String(s).split('=').slice(1).join('=')]);
  }
  return Object.entries(settings || {}).map(([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]);
}

function settingsCard({ capture }) {
  const rows = settingsRows(capture.settings);
  return card('h-settings', 'Settings', rows.length ? definitions(rows) : el('p.empty', {}, 'All defaults.'));
}

function notesCard({ processes }) {
  const rows = processes.flatMap((p) => p.noteLines.map((text) => ({ pid: p.pid, text: String(text) })));
  return card('h-notes', 'Notes of the recorder', rows.length
    ? el('ul.notes', {}, rows.map((r) => el('li', {}, el('span.muted', {}, 'pid ' + r.pid), ' ' + r.text)))
    : el('p.empty', {}, processes.every((p) => p.level === p.level_end) ? 'None: the level of detail never changed.' : 'None.'));
}

function processCard({ processes }) {
  return card('h-processes', 'Processes', makeTable({
    caption: 'Processes', rows: processes, sort: { column: 0, descending: false }, page: 25,
    empty: 'No process was recorded.',
    columns: [
      { label: 'pid', number: true, value: (p) => p.pid, cell: (p) => String(p.pid) },
      { label: 'Parent', number: true, value: (p) => p.ppid, cell: (p) => String(p.ppid) },
      { label: 'Python', value: (p) => String(p.python || '–'),
        cell: (p) => String(p.python || '–') + (p.free_threaded ? ' free-threaded' : '') },
      { label: 'Started', value: (p) => p.start_unix_ns || 0, cell: (p) => fmtDate(p.start_unix_ns) },
      { label: 'Threads', number: true, value: (p) => p.threads.length },
      { label: 'Turns', number: true, value: (p) => p.gil.acquisitions || 0, cell: (p) => fmtCount(p.gil.acquisitions || 0) },
      { label: 'Command', value: (p) => p.cmdline.join(' ') || String(p.exe || ''),
        cell: (p) => el('span.mono.command', {}, p.cmdline.join(' ') || String(p.exe || '–')) },
    ] }));
}

export const qualityPage = {
  id: 'quality',
  title: 'Data quality',
  make: ({ model }) => ({
    node: el('div.page', {}, el('div.columns', {}, lossCard(model), versionCard(model)), notesCard(model),
             processCard(model), settingsCard(model)),
  }),
};
