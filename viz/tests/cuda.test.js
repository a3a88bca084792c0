// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeModel, selfWeights, METRICS } from '../model.js';
import { DEVICE_KINDS, KINDS, KIND_LAYERS, totalOf } from '../cuda_model.js';
import { layoutSeries, sampleBefore } from '../layout_series.js';
import { makeTreeSource } from '../flame_tree.js';
import { DEFAULTS, parseHash, formatHash } from '../state.js';
import { fakeReport, cudaReport, noCudaReport, hostileReport, emptyReport } from './fake_profile.mjs';

const sum = (a) => a.reduce((s, v) => s + v, 0);

test('layers of kinds stack to the live bytes; the last value holds to the end of the process', () => {
  const report = cudaReport();
  report.processes[0].duration_ns = 9e9;
  const c = makeModel(report).processes[0].cuda;
  assert.deepEqual(KIND_LAYERS.map((l) => l.key).sort(), [...DEVICE_KINDS].sort());
  const s = layoutSeries(c.samples, KIND_LAYERS, 'host', c.capacity);
  c.samples.forEach((x, i) => assert.equal(s.tops.at(-1)[i], totalOf(x)));
  assert.equal(Math.max(...c.samples.map(totalOf)), c.peak_bytes);
  assert.equal(totalOf(c.samples[sampleBefore(s.x, c.peak_t_ns / 9e9)]), c.peak_bytes);
  assert.deepEqual([c.samples.at(-1).t_ns, totalOf(c.samples.at(-1))], [9e9, c.live_bytes]);
  assert.deepEqual([c.capacity, s.limit, s.max], [24 * 2 ** 30, 24 * 2 ** 30, 24 * 2 ** 30]); // of device 0: there is only a context on 1
});

test('layers of stacks stack to the same bytes, each told apart', () => {
  const report = cudaReport({ samples: 200 });
  const model = makeModel(report);
  const { samples, layers } = model.cudaCurves.get(0);
  const s = layoutSeries(samples, layers, null);
  model.processes[0].cuda.samples.forEach((x, i) => assert.equal(s.tops.at(-1)[i], totalOf(x)));
  assert.equal(layers.length, 13);
  assert.equal(new Set(layers.map((l) => l.colour + Boolean(l.hatched))).size, 13);
  assert.deepEqual(layers.filter((l) => !l.node).map((l) => l.colour), ['--mem-over']);
});

test('device memory and time under the GIL are trees, of a process and not of a thread', () => {
  const model = makeModel(cudaReport({ processes: 2 }));
  const source = makeTreeSource(model);
  const total = (metric, process) => source.tree({ metric, process, thread: -1, invert: false, startup: true }).total[0];
  model.processes.forEach(({ cuda }, i) => {
    assert.equal(total('cuda', i), cuda.live_bytes);
    assert.equal(total('cudapeak', i), cuda.peak_bytes);
    assert.equal(total('cudaheld', i), sum(cuda.held.map((r) => r.held_ns)));
    assert.equal(total('cudablame', i), cuda.blamed_ns);
  });
  for (const m of Object.keys(METRICS).filter((k) => k.startsWith('cuda'))) {
    assert.equal(total(m, -1), total(m, 0) + total(m, 1));
    const counts = source.column({ metric: m, process: 0, thread: -1, startup: true }, 'count');
    assert.equal(sum(selfWeights(model, METRICS[m].rows, METRICS[m].count, 0, -1)), sum(counts));
  }
});

test('without CUDA there is none, and a reason is kept', () => {
  for (const make of [emptyReport, fakeReport]) {
    const m = makeModel(make());
    assert.deepEqual([m.cuda, m.cudaRows, m.cudaHeld, m.cudaCurves.size], [null, null, null, 0]);
    for (const p of m.processes) assert.equal(p.cuda, null);
  }
  const c = makeModel(noCudaReport()).processes[0].cuda;
  assert.match(c.no_cuda, /older than/);
  assert.deepEqual([c.samples, c.capacity], [[], 0]);
});

test('numbers that cannot be are 0, nodes exist, words are known or unknown', () => {
  const model = makeModel(hostileReport());
  const c = model.processes[0].cuda;
  const finite = (v, path) => {
    if (typeof v === 'number') assert.ok(v >= -1 && v < 2 ** 67, path + ' ' + v);
    else if (v && typeof v === 'object') for (const [k, x] of Object.entries(v)) finite(x, path + '.' + k);
  };
  finite(c, 'cuda');
  for (const r of [...c.contexts, ...c.held, ...c.stacks, ...c.oom]) assert.ok(r.node >= 0 && r.node < model.nodes.n);
  for (const d of [...c.devices, ...c.contexts]) assert.ok(['nvml', 'meminfo', 'unknown'].includes(d.source));
  assert.equal(c.loading, 'unknown');
  assert.deepEqual(Object.keys(c.by_kind), Object.keys(KINDS));
  for (let i = 1; i < c.samples.length; i++) assert.ok(c.samples[i].t_ns >= c.samples[i - 1].t_ns);
});

test('damaged CUDA is refused with a reason, never indexed', () => {
  const damage = [
    (r) => { r.cuda_rows.node[0] = 1e6; }, (r) => { r.cuda_rows.live[0] = -1; }, (r) => { r.cuda_rows.process[0] = 1; },
    (r) => { r.cuda_rows.peak.pop(); }, (r) => { r.cuda_held_rows.blamed[0] = NaN; }, (r) => { delete r.cuda_held_rows.held; },
    (r) => { r.cuda_stack_curves[0].process = 7; }, (r) => { r.cuda_stack_curves[0].rows[2].node = -1; },
    (r) => { r.cuda_stack_curves[0].rows[1].bytes.pop(); }, (r) => { r.cuda_stack_curves[0].t_ns[3] = 0; },
  ];
  for (const break_ of damage) {
    const r = cudaReport();
    break_(r);
    assert.throws(() => makeModel(r), /damaged/, String(break_));
  }
});

test('the address restores how the chart is divided', () => {
  const s = { ...DEFAULTS, page: 'cuda', process: 1, by: 'stack', part: 'oom' };
  assert.deepEqual(parseHash(formatHash(s)), s);
});
