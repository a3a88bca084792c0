// SPDX-License-Identifier: MIT
// The tables of the CUDA page: contexts, calls under the GIL, who holds memory, what ran out of it.
import { el } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, fmtShort, fmtExactNs, plural } from './format.js';
import { processLabel } from './model.js';
import { KINDS, KIND_LAYERS } from './cuda_model.js';
import { makeTable, barCell } from './table.js';
import { card, exact, stackName, stackCell, placeColumn } from './parts.js';
import { swatchStyle, oomText } from './cuda_chart.js';

const most = (rows, of) => rows.reduce((m, r) => Math.max(m, of(r)), 1);

export function bytesColumn(label, of, title) {
  return { label, title, number: true, value: of, cell: (r) => exact(of(r)) };
}

export function nsColumn(label, of, title) {
  return { label, title, number: true, value: of, cell: (r) => el('span', { title: fmtExactNs(of(r)) }, fmtNs(of(r))) };
}

// A column of numbers with bars as long as they are.
export function barColumn(column, rows, kind) {
  const max = most(rows, column.value);
  return { ...column, bars: true, cell: (r) => barCell(column.cell(r), column.value(r) / max, kind) };
}

const countColumn = (label, of, title) => ({ label, title, number: true, value: of, cell: (r) => fmtShort(of(r)) });

function sourceText(c) {
  if (c.source === 'nvml') return 'NVML';
  return c.source === 'meminfo' ? (c.at_most ? 'at most, by ' : 'by ') + 'cuMemGetInfo' : 'unknown';
}

export const costOf = (contexts) => contexts.reduce((sum, c) => sum + c.context_bytes, 0);

export function contextText(contexts, devices, bytes) {
  const unknown = contexts.filter((c) => c.source === 'unknown').length;
  const cost = bytes ? ' cost ' + (contexts.some((c) => c.at_most) ? 'at most ' : '') + fmtBytes(bytes) : '; what they cost is not known';
  return plural(contexts.length, 'context', 'contexts') + ' on ' + plural(devices, 'device', 'devices') + cost +
    (bytes && unknown ? ', without ' + fmtCount(unknown) + ' of unknown size' : '') + '.';
}

function contextColumns(app, several) {
  const nameOf = (r) => (r.p.cuda.devices.find((d) => d.device === r.c.device) || { name: '' }).name;
  const columns = [
    { label: 'Context', value: (r) => r.c.context,
      cell: (r) => ['#' + r.c.context, r.c.primary ? el('span.callers.muted.small', {}, 'primary') : null] },
    { label: 'Device', value: (r) => r.c.device, cell: (r) => [String(r.c.device), el('span.callers.muted.small', {}, nameOf(r))] },
    { label: 'Made by', value: (r) => stackName(app.model, r.c), cell: (r) => stackCell(app, r.c, null) },
    nsColumn('Created', (r) => r.c.created_ns), nsColumn('Took', (r) => r.c.create_ns, 'How long making it took'),
    { label: 'Ended', number: true, value: (r) => r.c.ended_ns, cell: (r) => (r.c.ended_ns < 0 ? '–' : fmtNs(r.c.ended_ns)) },
    { label: 'Itself', number: true, value: (r) => r.c.context_bytes, title: 'Device memory the context takes, without what was allocated in it',
      cell: (r) => [r.c.source === 'unknown' ? '–' : exact(r.c.context_bytes), el('span.callers.muted.small', {}, sourceText(r.c))] },
    bytesColumn('Live', (r) => r.c.live_bytes, 'Allocated in it, at the end'), bytesColumn('Peak', (r) => r.c.peak_bytes)];
  const process = { label: 'Process', value: (r) => r.p.pid,
                    cell: (r) => el('a.name', { href: app.link({ page: 'cuda', process: r.process }) }, processLabel(r.p)) };
  return several ? [process, ...columns] : columns;
}

// Of all processes: contexts are what a job pays once in each of them.
export function contextsCard(app) {
  const { model } = app;
  const rows = model.processes.flatMap((p, process) => (p.cuda ? p.cuda.contexts.map((c) => ({ p, process, c })) : []));
  const contexts = rows.map((r) => r.c);
  const devices = model.cuda ? model.cuda.devices : new Set(contexts.map((c) => c.device)).size;
  const took = contexts.reduce((s, c) => s + c.create_ns, 0);
  const making = rows.length > 1 ? ' Making them took ' : ' Making it took ';
  const columns = contextColumns(app, model.processes.length > 1).filter((c) => c.label !== 'Ended' || contexts.some((x) => x.ended_ns >= 0));
  return card('h-cuda-contexts', 'Contexts', null,
    rows.length ? el('p.lead', {}, contextText(contexts, devices, costOf(contexts)) + making + fmtNs(took) + '.') : null,
    makeTable({ caption: 'Contexts', rows, columns, page: 12, empty: 'No context was made.',
                sort: { column: columns.findIndex((c) => c.label === 'Itself'), descending: true } }));
}

function heldText(c) {
  const all = 'All calls together: ' + fmtNs(c.under_gil_ns) + ' under the GIL, ' + fmtNs(c.blamed_ns) + ' of waiting.';
  if (!c.sync_ns) return 'No call waited for the GPU. ' + all;
  return 'Synchronising and copying took ' + fmtNs(c.sync_ns) + ', ' + fmtPct(c.sync_under_gil_ns, c.sync_ns) + ' of it with the GIL held (' +
    fmtNs(c.sync_under_gil_ns) + '); others waited ' + fmtNs(c.sync_blamed_ns) + ' for the GIL meanwhile. ' + all;
}

export function heldCard(app, process, c) {
  const link = (r) => app.model.cudaHeld && { metric: r.blamed_ns > 0 ? 'cudablame' : 'cudaheld', process };
  return card('h-cuda-held', 'Held the GIL while the GPU was waited for', null, el('p.muted.lead', {}, heldText(c)), makeTable({
    caption: 'Calls of the driver with the GIL held', rows: c.held, page: 8, sort: { column: 6, descending: true },
    empty: 'No call of the driver held the GIL.',
    columns: [
      { label: 'Called in', value: (r) => stackName(app.model, r), cell: (r) => stackCell(app, r, link(r), true) }, placeColumn(app),
      { label: 'Call', value: (r) => r.call || r.op, cell: (r) => [el('span.mono.place', {}, r.call || 'short ones'), el('span.muted.small', {}, ' ' + r.op)] },
      countColumn('Calls', (r) => r.count), nsColumn('Took', (r) => r.ns),
      barColumn(nsColumn('Under the GIL', (r) => r.held_ns), c.held, 'hold'),
      barColumn(nsColumn('Others waited', (r) => r.blamed_ns, 'What others waited for the GIL meanwhile'), c.held, 'blame'),
    ] }));
}

export function stacksCard(app, process, c) {
  const link = app.model.cudaRows && { metric: 'cudapeak', process };
  if (!c.stacks.length) return null;
  return card('h-cuda-stacks', 'Who holds device memory', null, makeTable({
    caption: 'Stacks by device memory', rows: c.stacks, page: 8, sort: { column: 2, descending: true },
    columns: [
      { label: 'Allocated in', value: (r) => stackName(app.model, r), cell: (r) => stackCell(app, r, link, true) },
      placeColumn(app), barColumn(bytesColumn('At the peak', (r) => r.peak_bytes, 'Live when the process had most'), c.stacks, 'alloc'),
      { label: 'Of the peak', number: true, value: (r) => r.peak_bytes, cell: (r) => fmtPct(r.peak_bytes, c.peak_bytes) },
      barColumn(bytesColumn('Live', (r) => r.live_bytes, 'At the end'), c.stacks, 'alloc'), countColumn('Allocations', (r) => r.allocations),
    ] }));
}

// 'path/file.py:func:line' as a name and a place; anything else is a name.
function splitFrame(text) {
  const m = /^(.*?):(.*):(-?\d+)$/.exec(text);
  return m ? [m[2], m[1].slice(m[1].lastIndexOf('/') + 1) + ':' + m[3]] : [text, ''];
}

function stackList(stack) {
  const texts = [...stack].reverse().slice(0, 12);
  return el('ol.stack', {}, (texts.length ? texts : ['(no stack)']).map((text, i) => {
    const [name, place] = splitFrame(text);
    return el('li' + (i ? '' : '.leaf'), { title: text }, el('span.fn', {}, name), el('span.mono', {}, place));
  }));
}

function oomItem(app, process, c, o, i) {
  const device = c.devices.find((d) => d.device === o.device);
  const live = fmtBytes(o.live_bytes) + (device && device.total_bytes ? ' of ' + fmtBytes(device.total_bytes) : '');
  const leaf = (r) => splitFrame(r.stack[r.stack.length - 1] || '(no stack)');
  const href = app.link({ page: 'flame', metric: 'cudapeak', process, node: o.node });
  return el('details.oom', { open: i === 0 },
    el('summary', {}, 'At ' + fmtNs(o.t_ns) + ' ' + oomText(o) + (o.kind ? ' (' + o.kind + ')' : '') + ' while ' + live + ' was live' +
       (o.device < 0 ? '' : ' on device ' + o.device)),
    el('div.columns', {},
       el('div.holder', {}, el('h3', {}, 'Asked by ', o.node && app.model.cudaRows ? el('a', { href }, 'in the flame graph →') : null), stackList(o.stack)),
       el('div', {}, el('h3', {}, 'Live then, the most'), makeTable({
         caption: 'Live at ' + fmtNs(o.t_ns), rows: o.top, sort: { column: 2, descending: true }, empty: 'Not known.',
         columns: [{ label: 'Allocated in', value: (r) => leaf(r)[0], cell: (r) => el('span', { title: [...r.stack].reverse().join('\n') }, leaf(r)[0]) },
                   { label: 'Place', value: (r) => leaf(r)[1], cell: (r) => el('span.mono.place', {}, leaf(r)[1] || '–') },
                   barColumn(bytesColumn('Live', (r) => r.live_bytes), o.top, 'alloc'),
                   { label: 'Of all live', number: true, value: (r) => r.live_bytes, cell: (r) => fmtPct(r.live_bytes, o.live_bytes) }] }))));
}

export function oomCard(app, process, c) {
  if (!c.oom_count && !c.oom.length) return null;
  const more = c.oom_count - c.oom.length;
  return card('h-cuda-oom', 'Out of memory', el('span.muted', {}, plural(c.oom_count || c.oom.length, 'time', 'times')),
    c.oom.map((o, i) => oomItem(app, process, c, o, i)), more > 0 ? el('p.muted.small', {}, fmtCount(more) + ' more are not told here.') : null);
}

export function kindsCard(c) {
  const colours = Object.fromEntries(KIND_LAYERS.map((l) => [l.key, l.colour]));
  const rows = Object.keys(KINDS).map((key) => ({ key, live: c.by_kind[key], peak: c.peak_by_kind[key] })).filter((r) => r.live || r.peak);
  if (!rows.length) return null;
  return card('h-cuda-kinds', 'Kinds of memory', null, makeTable({
    caption: 'Kinds of memory', rows, sort: { column: 2, descending: true },
    columns: [{ label: 'Kind', value: (r) => KINDS[r.key],
                cell: (r) => [el('span.swatch.key', { ...swatchStyle(colours[r.key] || '--mem-over'), 'aria-hidden': 'true' }), KINDS[r.key]] },
              bytesColumn('Live', (r) => r.live, 'At the end'), bytesColumn('Peak', (r) => r.peak, 'Each kind’s own')] }));
}

// What NVML says is there only where it could be asked.
export function devicesCard(c) {
  const other = (d) => Math.max(0, d.used_bytes - d.allocated_bytes - d.context_bytes);
  const columns = [
    { label: 'Device', value: (d) => d.device, cell: (d) => [String(d.device), el('span.callers.muted.small', { title: d.bus_id }, d.name)] },
    bytesColumn('Capacity', (d) => d.total_bytes), bytesColumn('Used', (d) => d.used_bytes, 'By this process, as NVML says'),
    bytesColumn('Allocated', (d) => d.allocated_bytes, 'Live at that time, without managed memory'),
    bytesColumn('Contexts', (d) => d.context_bytes), bytesColumn('Other', other, 'Used beyond these')];
  const known = c.devices.some((d) => d.used_bytes);
  return card('h-cuda-devices', 'Devices', null, makeTable({
    caption: 'Devices', rows: c.devices, empty: 'None.', columns: known ? columns : columns.filter((x) => !['Used', 'Other'].includes(x.label)) }));
}

export function callsCard(c) {
  return card('h-cuda-calls', 'Calls of the driver', null, makeTable({
    caption: 'Calls of the driver', rows: c.calls, page: 12, sort: { column: 4, descending: true }, empty: 'No call was recorded.',
    columns: [{ label: 'Function', value: (r) => r.call, cell: (r) => el('span.mono.place', {}, r.call) },
              { label: 'What', value: (r) => r.op, cell: (r) => el('span.place', {}, r.op) },
              countColumn('Calls', (r) => r.calls), countColumn('Failed', (r) => r.failed), barColumn(nsColumn('Time', (r) => r.ns), c.calls, 'alloc'),
              nsColumn('Mean', (r) => r.ns / (r.calls || 1)), countColumn('Calls under the GIL', (r) => r.held_calls),
              barColumn(nsColumn('Under the GIL', (r) => r.held_ns), c.calls, 'hold')] }));
}
