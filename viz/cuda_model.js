// SPDX-License-Identifier: MIT
// CUDA in the report's JSON, checked once. Times and sizes that make no sense become 0; what is used
// as an index is proven in range. Pure.
import { fail, column, inRange, size, sizes, list, objects, textOrNull, nodeOf } from './checks.js';

// Memory of a device first.
export const DEVICE_KINDS = ['device', 'managed', 'vmm', 'pool', 'array'];
export const KINDS = {
  device: 'device', managed: 'managed', vmm: 'virtual, cuMemCreate', pool: 'stream-ordered pools', array: 'arrays',
  host: 'page-locked host', registered: 'registered host', graph: 'graph nodes', ipc: 'other processes’, IPC',
};

// From the ground up, in a chart.
export const KIND_LAYERS = [['device', '--mem-used'], ['pool', '--mem-heap'], ['vmm', '--mem-free'], ['managed', '--mem-file'], ['array', '--sky']]
  .map(([key, colour]) => ({ key, label: KINDS[key], colour }));
const STACK_COLOURS = ['--mem-used', '--mem-free', '--mem-heap', '--mem-file', '--sky', '--hot'];

const TOTALS = ['driver_version', 'peak_bytes', 'live_bytes', 'peak_t_ns', 'allocations', 'frees', 'failed', 'sync_ns', 'sync_under_gil_ns',
                'sync_blamed_ns', 'under_gil_ns', 'blamed_ns', 'launches', 'launch_ns', 'oom_count', 'lost_rows', 'unknown_frees', 'untracked'];
const JOB = ['processes', 'contexts', 'devices', 'context_bytes', 'live_bytes', 'peak_bytes', 'sync_under_gil_ns', 'blamed_ns'];

const textOf = (v) => textOrNull(v) || '';
const indexOf = (v) => (Number.isInteger(v) && v >= 0 ? v : -1);
const SOURCES = ['nvml', 'meminfo'];
const sourceOf = (v) => (SOURCES.includes(v) ? v : 'unknown');

function withStack(row, src, nNodes) {
  return { ...row, stack: list(src.stack).map(String), node: nodeOf(src.node, nNodes) };
}

function readDevice(d) {
  return { ...sizes(d, ['total_bytes', 'contexts', 'used_bytes', 'allocated_bytes', 'context_bytes']), device: indexOf(d.device),
           name: textOf(d.name), bus_id: textOf(d.bus_id), source: sourceOf(d.source) };
}

function readContext(c, nNodes) {
  return withStack({ ...sizes(c, ['created_ns', 'create_ns', 'context_bytes', 'live_bytes', 'peak_bytes']), context: indexOf(c.context),
                     device: indexOf(c.device), primary: c.primary === true, ended_ns: c.ended_ns >= 0 ? size(c.ended_ns) : -1,
                     source: sourceOf(c.source), at_most: c.at_most === true }, c, nNodes);
}

function readCall(c, keys) {
  return { ...sizes(c, keys), call: textOf(c.call), op: textOf(c.op) };
}

function readOom(o, nNodes) {
  return withStack({ ...sizes(o, ['t_ns', 'asked_bytes', 'live_bytes', 'result']), call: textOf(o.call), kind: textOf(o.kind),
                     context: indexOf(o.context), device: indexOf(o.device),
                     top: objects(o.top).map((s) => withStack(sizes(s, ['live_bytes']), s, nNodes)) }, o, nNodes);
}

export const totalOf = (sample) => DEVICE_KINDS.reduce((sum, k) => sum + sample[k], 0);

// Values stay until the next sample, the last ones to the end of the process.
function readSamples(raw, end_ns) {
  const samples = objects(raw).map((s) => ({ t_ns: size(s.t_ns), ...sizes(s, [...DEVICE_KINDS, 'host']) })).sort((a, b) => a.t_ns - b.t_ns);
  return toEnd(samples, end_ns);
}

function toEnd(samples, end_ns) {
  const last = samples[samples.length - 1];
  return last && last.t_ns < end_ns ? [...samples, { ...last, t_ns: end_ns }] : samples;
}

function readLists(c, nNodes) {
  return {
    devices: objects(c.devices).map(readDevice), contexts: objects(c.contexts).map((x) => readContext(x, nNodes)),
    calls: objects(c.calls).map((x) => readCall(x, ['calls', 'failed', 'ns', 'held_calls', 'held_ns'])),
    held: objects(c.held).map((x) => withStack(readCall(x, ['count', 'ns', 'held_ns', 'blamed_ns']), x, nNodes)),
    stacks: objects(c.stacks).map((x) => withStack(sizes(x, ['live_bytes', 'peak_bytes', 'allocations']), x, nNodes)),
    oom: objects(c.oom).map((x) => readOom(x, nNodes)),
  };
}

// Of the devices that memory was allocated on: a context alone needs little of one.
function capacityOf({ devices, contexts }) {
  const used = devices.filter((d) => d.allocated_bytes > 0 || contexts.some((c) => c.device === d.device && c.peak_bytes > 0));
  return (used.length ? used : devices).reduce((sum, d) => sum + d.total_bytes, 0);
}

// Null where nothing about CUDA was recorded.
export function readCuda(c, nNodes, end_ns) {
  if (!c || typeof c !== 'object') return null;
  const lists = readLists(c, nNodes);
  return {
    ...sizes(c, TOTALS), ...lists, driver_path: textOf(c.driver_path), loading: ['lazy', 'eager'].includes(c.loading) ? c.loading : 'unknown',
    no_cuda: textOrNull(c.no_cuda), no_nvml: textOrNull(c.no_nvml), modules: sizes(c.modules, ['loaded', 'unloaded', 'image_bytes']),
    by_kind: sizes(c.by_kind, Object.keys(KINDS)), peak_by_kind: sizes(c.peak_by_kind, Object.keys(KINDS)),
    samples: readSamples(c.samples, size(end_ns)), capacity: capacityOf(lists),
  };
}

// Sums over the processes of the job.
export function readJobCuda(c) {
  return c && typeof c === 'object' ? sizes(c, JOB) : null;
}

function readCurve(raw, what, nNodes, end_ns) {
  const n = list(raw.t_ns).length;
  const t = column(raw, 't_ns', n, Float64Array);
  inRange(t, 0, 2 ** 63, what + '.t_ns');
  for (let i = 1; i < n; i++) if (t[i] < t[i - 1]) fail(what + '.t_ns is not in order');
  const nodes = Int32Array.from(objects(raw.rows), (r) => r.node);
  inRange(nodes, 0, nNodes, what + '.node');
  const rows = objects(raw.rows).map((r, k) => ({ node: nodes[k], bytes: column(r, 'bytes', n, Float64Array), key: 'row' + k }));
  for (const r of rows) inRange(r.bytes, 0, 2 ** 64, what + '.bytes');
  const samples = Array.from(t, (t_ns, i) => Object.fromEntries([['t_ns', t_ns], ...rows.map((r) => [r.key, r.bytes[i]])]));
  return { samples: toEnd(samples, size(end_ns)), layers: rows.map(({ key, node }, k) => ({ key, node, ...lookOf(node, k) })) };
}

// A hue of its own, then again hatched; all others are grey.
function lookOf(node, k) {
  if (!node) return { colour: '--mem-over' };
  return { colour: STACK_COLOURS[k % STACK_COLOURS.length], hatched: Math.floor(k / STACK_COLOURS.length) % 2 === 1 };
}

// Map from the index of a process to live bytes over time, by stack: samples, and a layer a stack.
export function readCudaCurves(raw, processes, nNodes) {
  const curves = new Map();
  for (const [i, c] of objects(raw).entries()) {
    const what = 'cuda_stack_curves[' + i + ']';
    if (!(Number.isInteger(c.process) && c.process >= 0 && c.process < processes.length)) fail(what + '.process');
    curves.set(c.process, readCurve(c, what, nNodes, processes[c.process].duration_ns));
  }
  return curves;
}
