// SPDX-License-Identifier: MIT
// Made-up CUDA for made-up reports. The story: a training script loads a model, keeps activations of
// each step, reads its loss with the GIL held, and runs out of memory as a batch is too large. All
// numbers are computed from the same curves, so they agree as a true capture's do.

const MIB = 1 << 20;
const GIB = 1 << 30;
const SPAN_NS = 8e9;
const OOM_NS = 6.2e9;

const MAIN = ['/srv/job/train.py', 'main', 24];
const STEP = ['/srv/job/train.py', 'step', 61];
const TORCH = '/site-packages/torch/';
const layer = (i) => [MAIN, STEP, ['/srv/job/net.py', 'Net.forward', 40 + i], [TORCH + 'nn/modules/linear.py', 'Linear.forward', 125]];

const grown = (t, from, to) => Math.max(0, Math.min(1, (t - from) / (to - from)));
const stairs = (t, from, to, n) => Math.floor(grown(t, from, to) * n) / n;
// Activations come and go with each step; the batch of 6.2 s is twice as large.
const wave = (t, shift) => (t < 1.6e9 ? 0 : Math.max(0, Math.sin(t / 1.3e8 + shift)) * (t > 5.4e9 && t < OOM_NS ? 2 : 1));

// [kind, GiB, share of it live at t, stack]
export const CUDA_STACKS = [
  ['device', 4.2, (t) => stairs(t, 6e8, 1.5e9, 12), [MAIN, ['/srv/job/train.py', 'build', 31], [TORCH + 'nn/modules/module.py', 'Module.to', 1174]]],
  ['device', 4.2, (t) => stairs(t, 1.7e9, 1.9e9, 4), [MAIN, STEP, [TORCH + 'optim/adam.py', 'Adam.step', 223]]],
  ['managed', 1.1, (t) => stairs(t, 2e9, 7e9, 30), [MAIN, STEP, ['/srv/job/cache.py', 'EmbeddingCache.put', 57]]],
  ['array', 0.4, (t) => (t > 9e8 ? 1 : 0), [MAIN, ['/srv/job/images.py', 'make_textures', 12]]],
  ['vmm', 1.5, (t) => stairs(t, 3e9, 4e9, 3), [MAIN, STEP, [TORCH + 'cuda/memory.py', 'empty_expandable', 88]]],
  ...Array.from({ length: 12 }, (_, i) => ['pool', 0.75 - 0.055 * i, (t) => wave(t, -0.09 * i), layer(i)]),
  ['host', 0.75, (t) => (t > 1e9 ? 1 : 0), [MAIN, ['/srv/job/loader.py', 'Loader.pin', 19]]],
];

const HELD = [
  ['cuStreamSynchronize', 'sync', 1840, 9.1e8, 0.92, 2.04e9, [MAIN, STEP, ['/srv/job/train.py', 'log_loss', 88]]],
  ['cuMemcpyDtoH_v2', 'copy', 310, 3.3e8, 0.97, 5.1e8, [MAIN, ['/srv/job/eval.py', 'accuracy', 17]]],
  ['cuCtxSynchronize', 'sync', 12, 2.2e8, 1, 9e7, [MAIN, ['/srv/job/train.py', 'build', 31]]],
  ['cuMemAlloc_v2', 'alloc', 96, 6.4e7, 1, 3.1e7, CUDA_STACKS[0][3]],
  ['cuLibraryLoadData', 'load', 41, 5.2e7, 1, 0, [MAIN, ['/srv/job/train.py', 'build', 33]]],
];

const DEVICE_KINDS = ['device', 'managed', 'vmm', 'pool', 'array'];
const texts = (stack) => stack.map((f) => f[0].split('/').pop() + ':' + f[1] + ':' + f[2]);
const sumOf = (rows, key) => rows.reduce((s, r) => s + r[key], 0);

const bytesAt = ([, gib, share], t, scale) => Math.round((gib * share(t) * scale * GIB) / 512) * 512;

function sampleAt(time, scale) {
  const t = Math.round(time);
  const s = { t_ns: t, device: 0, managed: 0, vmm: 0, pool: 0, array: 0, host: 0 };
  for (const stack of CUDA_STACKS) s[stack[0]] += bytesAt(stack, t, scale);
  return s;
}

const deviceBytes = (s) => sumOf(DEVICE_KINDS.map((k) => ({ n: s[k] })), 'n');

function makeStacks(t, peak_ns, scale) {
  return CUDA_STACKS.filter((s) => s[0] !== 'host').map((s) => ({
    stack: texts(s[3]), node: t.stack(s[3]), live_bytes: bytesAt(s, SPAN_NS, scale), peak_bytes: bytesAt(s, peak_ns, scale),
    allocations: Math.round(400 * s[1]) })).sort((a, b) => b.peak_bytes - a.peak_bytes);
}

function makeCurve(t, process, peak_ns, scale, n) {
  const times = Array.from({ length: n }, (_, i) => Math.round((SPAN_NS * i) / (n - 1)));
  const known = CUDA_STACKS.filter((s) => s[0] !== 'host').sort((a, b) => bytesAt(b, peak_ns, scale) - bytesAt(a, peak_ns, scale));
  const curve = (s) => times.map((x) => bytesAt(s, x, scale));
  const rest = times.map((x) => sumOf(known.slice(12).map((s) => ({ n: bytesAt(s, x, scale) })), 'n'));
  return { process, t_ns: times, rows: [...known.slice(0, 12).map((s) => ({ node: t.stack(s[3]), bytes: curve(s) })), { node: 0, bytes: rest }] };
}

function makeHeld(t, scale) {
  const rows = HELD.map(([call, op, count, ns, held, blamed, stack]) => ({
    stack: texts(stack), node: t.stack(stack), call, op, count, ns: Math.round(ns * scale), held_ns: Math.round(ns * held * scale),
    blamed_ns: Math.round(blamed * scale) }));
  const short = { stack: ['(not sampled)'], node: t.stack([['', '(not sampled)', -1]]), call: '', op: 'copy', count: 90210 };
  return [...rows, { ...short, ns: 4.1e7, held_ns: 4.1e7, blamed_ns: 0 }];
}

function makeCalls(held) {
  const rows = held.filter((r) => r.call).map((r) => ({ call: r.call, op: r.op, calls: r.count * 3, failed: r.call === 'cuMemAlloc_v2' ? 1 : 0,
                                                       ns: r.ns * 2, held_calls: r.count, held_ns: r.held_ns }));
  return [...rows, { call: 'cuLaunchKernel', op: 'launch', calls: 812345, failed: 0, ns: 3.4e9, held_calls: 811000, held_ns: 3.1e9 },
          { call: 'cuMemFree_v2', op: 'free', calls: 96, failed: 0, ns: 2.2e7, held_calls: 40, held_ns: 9e6 }].sort((a, b) => b.ns - a.ns);
}

function makeContexts(t, process, last, peak, source) {
  const bytes = source === 'unknown' ? 0 : 440 * MIB;
  const stack = CUDA_STACKS[0][3];
  const of = (context, device, primary, more) => ({ context, device, primary, created_ns: 5e8 + context * 4e7, ended_ns: -1, create_ns: 1.8e8 / context,
    context_bytes: bytes, source, at_most: source === 'meminfo', stack: texts(stack), node: t.stack(stack), live_bytes: 0, peak_bytes: 0, ...more });
  const first = of(1, 0, true, { live_bytes: deviceBytes(last), peak_bytes: deviceBytes(peak) });
  return process ? [first] : [first, of(2, 1, true, {}), of(3, 0, false, { ended_ns: 4.4e9, context_bytes: bytes / 2 })];
}

function makeDevices(contexts, allocated, source) {
  return [...new Set(contexts.map((c) => c.device))].map((device) => {
    const own = sumOf(contexts.filter((c) => c.device === device), 'context_bytes');
    const bytes = device ? 0 : allocated;
    return { device, name: 'NVIDIA H100 80GB HBM3', bus_id: '0000:1' + device + ':00.0', total_bytes: (device ? 80 : 24) * GIB,
             contexts: contexts.filter((c) => c.device === device).length, used_bytes: source === 'nvml' ? bytes + own + 96 * MIB : 0,
             allocated_bytes: bytes, context_bytes: own, source };
  });
}

function makeOom(t, live) {
  const who = layer(3);
  const at = bytesAtOom();
  return [[OOM_NS - 1e6, 6 * GIB, 'pool', 'cuMemAllocAsync'], [OOM_NS - 5e5, 3 * GIB, 'device', 'cuMemAlloc_v2']].map(([t_ns, asked_bytes, kind, call]) => ({
    t_ns, call, result: 2, asked_bytes, context: 1, device: 0, live_bytes: live, kind, stack: texts(who), node: t.stack(who), top: at.slice(0, 5) }));
}

function bytesAtOom() {
  return CUDA_STACKS.filter((s) => s[0] !== 'host').map((s) => ({ stack: texts(s[3]), live_bytes: bytesAt(s, OOM_NS - 1e6, 1) }))
    .sort((a, b) => b.live_bytes - a.live_bytes);
}

function byKind(s) {
  return { ...Object.fromEntries([...DEVICE_KINDS, 'host'].map((k) => [k, s[k]])), registered: 64 * MIB, graph: 0, ipc: 0 };
}

function makeCuda(t, process, { samples, source, oom }) {
  const scale = 1 / (process + 1);
  const list = Array.from({ length: samples }, (_, i) => sampleAt(samples > 1 ? (SPAN_NS * i) / (samples - 1) : SPAN_NS, scale));
  const peak = list.reduce((a, s) => (deviceBytes(s) > deviceBytes(a) ? s : a));
  const last = list[samples - 1];
  const contexts = makeContexts(t, process, last, peak, source);
  const held = makeHeld(t, scale);
  const waits = held.filter((r) => r.op === 'sync' || r.op === 'copy');
  const most = (k) => list.reduce((m, s) => Math.max(m, s[k]), 0);
  const failures = oom && !process ? makeOom(t, deviceBytes(sampleAt(OOM_NS - 1e6, 1))) : [];
  return { driver_version: 13000, driver_path: '/usr/lib/x86_64-linux-gnu/libcuda.so.1', loading: 'lazy', no_cuda: null,
           no_nvml: source === 'nvml' ? null : 'libnvidia-ml.so.1 could not be loaded', devices: makeDevices(contexts, deviceBytes(last), source), contexts,
           peak_bytes: deviceBytes(peak), live_bytes: deviceBytes(last), peak_t_ns: peak.t_ns, allocations: 41230, frees: 41002, failed: failures.length,
           by_kind: byKind(last), peak_by_kind: byKind(Object.fromEntries([...DEVICE_KINDS, 'host'].map((k) => [k, most(k)]))),
           modules: { loaded: 41, unloaded: 2, image_bytes: 118 * MIB }, sync_ns: sumOf(waits, 'ns') * 2, sync_under_gil_ns: sumOf(waits, 'held_ns'),
           sync_blamed_ns: sumOf(waits, 'blamed_ns'), under_gil_ns: sumOf(held, 'held_ns') + 3.1e9, blamed_ns: sumOf(held, 'blamed_ns'),
           launches: 812345, launch_ns: 3.4e9, calls: makeCalls(held), held, stacks: makeStacks(t, peak.t_ns, scale), oom: failures,
           oom_count: failures.length, samples: list, lost_rows: process ? 12 : 0, unknown_frees: 0, untracked: 0 };
}

function pushRows(report, process, cuda) {
  const { cuda_rows: rows, cuda_held_rows: held } = report;
  for (const s of cuda.stacks) {
    for (const [k, v] of Object.entries({ process, node: s.node, live: s.live_bytes, peak: s.peak_bytes, n: s.allocations })) rows[k].push(v);
  }
  for (const r of cuda.held) {
    for (const [k, v] of Object.entries({ process, node: r.node, held: r.held_ns, blamed: r.blamed_ns, n: r.count })) held[k].push(v);
  }
}

function cudaFindings(t, report) {
  const p = report.processes[0].cuda;
  const of = (id, severity, node, claim, evidence) => ({ id, severity, process: node < 0 ? -1 : 0, thread: -1, node, claim, evidence, suggestion: null });
  return [
    of('cuda-oom', 'high', p.oom.length ? p.oom[0].node : -1, 'The device ran out of memory twice.', { bytes: 6 * GIB, of_bytes: 24 * GIB }),
    of('cuda-sync-under-gil', 'high', p.held[0].node, '1.16 s of 2.92 s in `cuStreamSynchronize` held the GIL; others waited 2.64 s meanwhile.',
       { ns: p.sync_blamed_ns, of_ns: SPAN_NS }),
    of('cuda-contexts', 'medium', -1, 'Several processes keep contexts on one device.', { bytes: report.cuda.context_bytes, of_bytes: 0 })];
}

// Adds CUDA to a made-up report, in place. `t` is its table of frames and nodes.
export function addCuda(report, t, { samples = 400, curve = 200, source = 'nvml', oom = true } = {}) {
  report.cuda_rows = { process: [], node: [], live: [], peak: [], n: [] };
  report.cuda_held_rows = { process: [], node: [], held: [], blamed: [], n: [] };
  report.cuda_stack_curves = [];
  report.processes.forEach((p, i) => {
    p.duration_ns = SPAN_NS;
    p.cuda = makeCuda(t, i, { samples, source, oom });
    pushRows(report, i, p.cuda);
    report.cuda_stack_curves.push(makeCurve(t, i, p.cuda.peak_t_ns, 1 / (i + 1), curve));
  });
  const sum = (of) => report.processes.reduce((s, p) => s + of(p.cuda), 0);
  report.cuda = { processes: report.processes.length, contexts: sum((c) => c.contexts.length), devices: 2,
                  context_bytes: sum((c) => sumOf(c.contexts, 'context_bytes')), live_bytes: sum((c) => c.live_bytes), peak_bytes: sum((c) => c.peak_bytes),
                  sync_under_gil_ns: sum((c) => c.sync_under_gil_ns), blamed_ns: sum((c) => c.blamed_ns) };
  report.findings.push(...cudaFindings(t, report));
  return report;
}

// libcuda was met, but not what to record of it.
export function noCuda(why) {
  return { driver_version: 0, driver_path: '', loading: 'unknown', no_cuda: why, no_nvml: null, devices: [], contexts: [], peak_bytes: 0, live_bytes: 0,
           peak_t_ns: 0, allocations: 0, frees: 0, failed: 0, by_kind: {}, peak_by_kind: {}, modules: { loaded: 0, unloaded: 0, image_bytes: 0 },
           sync_ns: 0, sync_under_gil_ns: 0, sync_blamed_ns: 0, under_gil_ns: 0, blamed_ns: 0, launches: 0, launch_ns: 0, calls: [], held: [], stacks: [],
           oom: [], oom_count: 0, samples: [], lost_rows: 0, unknown_frees: 0, untracked: 0 };
}

// Numbers that cannot be, and markup wherever a string stands.
export function hostileCuda(report, markup) {
  const c = report.processes[0].cuda;
  Object.assign(c, { driver_version: -1, driver_path: markup, loading: markup, no_nvml: markup, lost_rows: 1e300, untracked: 7, modules: null });
  Object.assign(c.devices[0], { device: markup, name: markup, bus_id: markup, total_bytes: 1, used_bytes: 1.8e19, source: 'constructor' });
  Object.assign(c.contexts[0], { device: -7, source: '__proto__', context_bytes: 'x', created_ns: 1e300, ended_ns: markup, node: 1e9, stack: [markup] });
  c.samples.push({}, { t_ns: -4, device: 1.8e19, pool: -1, host: markup }, null);
  c.calls.unshift({ call: markup, op: markup, calls: -1, ns: 1e308 });
  c.held.unshift({ stack: [markup], node: -3, call: markup, op: markup, count: 2 ** 70, ns: null, held_ns: 1e18, blamed_ns: 1e19 });
  c.stacks.unshift({ stack: [markup, markup], node: 1e9, live_bytes: 7e18, peak_bytes: 2 ** 62, allocations: 'x' });
  c.oom.unshift({ t_ns: 1e18, call: markup, result: markup, asked_bytes: 1e19, kind: markup, stack: [markup],
                  top: [{ stack: [markup], live_bytes: -1 }, 7] }, null);
  c.by_kind.device = markup;
  return report;
}
