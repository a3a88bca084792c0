// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeModel, metricOf } from '../model.js';
import { TIMES, hasNumber } from '../savings_model.js';
import { layoutCurve, runsOf } from '../layout_curve.js';
import { fakeReport, savingsReport, hostileReport, emptyReport } from './fake_profile.mjs';

const sum = (a) => a.reduce((s, v) => s + v, 0);
const first = (report) => makeModel(report).processes[0].savings;

test('what the wait became adds up to it, and both bars are equally long', () => {
  const s = first(savingsReport());
  assert.equal(sum(s.parts.map((p) => p.became_ns)), s.gil_wait_ns);
  assert.equal(sum(s.parts.map((p) => p.recorded_ns)) + s.gil_wait_ns, sum(s.parts.map((p) => p.then_ns)));
  for (const p of s.parts) assert.ok(TIMES.some((t) => t.kind === p.kind));
});

test('doublings of cores are equally far apart, and everything that is said is inside', () => {
  const { curve } = first(savingsReport());
  const c = layoutCurve(curve);
  assert.deepEqual(c.x, [0, 1 / 3, 2 / 3, 1]);
  for (const p of curve) assert.ok(p.max <= c.max && p.p90 <= c.max);
  assert.ok(c.marks[0] === 0 && c.marks.length > 2 && c.marks.at(-1) <= c.max);
  assert.deepEqual(layoutCurve([curve[2]]).x, [0.5]);
  assert.deepEqual(layoutCurve([]).x, []);
});

test('a ceiling far above leaves the chart, but not where it is all that is said', () => {
  const point = (cores, max, p50) => ({ cores, max, floor: NaN, p10: p50, p50, p90: p50 });
  assert.ok(layoutCurve([point(1, 1, 1), point(64, 60, 1.2)]).max < 4);
  assert.ok(layoutCurve([point(1, 1, NaN), point(64, 60, NaN)]).max >= 60);
});

test('runs leave out what is not said', () => {
  const points = [1, 2, NaN, 4].map((p50) => ({ p50 }));
  assert.deepEqual(runsOf(points, 'p50'), [[0, 1], [3]]);
  assert.deepEqual(runsOf(points, 'floor'), []);
});

test('grade C says a ceiling and no number', () => {
  const s = first(savingsReport({ why_not: 'locks were not recorded' }));
  assert.deepEqual([s.grade, hasNumber(s), s.at.max, s.at.p50, s.changes.length], ['C', false, 5.1, NaN, 0]);
  s.at.p50 = 3; // a number that grade C must not say
  assert.equal(hasNumber(s), false);
});

test('without a prediction there is none, and of a process that has none neither', () => {
  for (const make of [emptyReport, fakeReport]) {
    const m = makeModel(make());
    assert.equal(m.savings, null);
    for (const p of m.processes) assert.equal(p.savings, null);
  }
  const m = makeModel(savingsReport({ processes: 2 }));
  m.processes.forEach((p) => assert.ok(p.savings));
  const one = savingsReport({ processes: 2 });
  one.savings.processes.pop();
  assert.equal(makeModel(one).processes[1].savings, null);
});

test('memory and what several processes cost may be absent, or of no sense', () => {
  const m = makeModel(savingsReport()).savings;
  assert.equal(m.memory.threads.p50, 2253 * 2 ** 20);
  assert.equal(m.tax.duplicated_bytes, 812 * 2 ** 20);
  assert.deepEqual([makeModel(savingsReport({ memory: false })).savings.memory, makeModel(savingsReport({ memory: false })).savings.tax], [null, null]);
  for (const bad of [null, 7, [], { now_bytes: -1 }, { now_bytes: 'x', threads_bytes: 3 }]) {
    const r = savingsReport();
    r.savings.memory = bad;
    r.savings.multiprocess_tax = bad;
    assert.deepEqual([makeModel(r).savings.memory, makeModel(r).savings.tax], [null, null]);
  }
});

test('numbers that cannot be are not said, nodes exist, words are known', () => {
  const model = makeModel(hostileReport());
  const s = model.processes[0].savings;
  for (const r of [...s.parts, ...s.changes]) assert.ok(r.node >= 0 && r.node < model.nodes.n);
  for (const p of s.curve) {
    assert.ok(p.cores >= 1 && p.cores <= 1024);
    for (const k of ['max', 'floor', 'p10', 'p50', 'p90']) assert.ok(Number.isNaN(p[k]) || (p[k] >= 0 && p[k] < 1e9));
  }
  for (const c of s.changes) assert.ok(c.s >= 0);
  for (const m of s.modules) assert.ok(['not needed', 'not said', 'unknown'].includes(m.gil));
  assert.ok(s.parts.every((p) => Number.isFinite(p.then_ns)));
  assert.ok(s.drivers.every((d) => d.share > 0 && typeof d.text === 'string'));
});

test('a stack leads to a metric that it has, or nowhere', () => {
  const model = makeModel(fakeReport());
  assert.equal(metricOf(model, model.rows.node[0]), 'blame');
  const quiet = { ...model, rows: { ...model.rows, blame: model.rows.blame.map(() => 0) } };
  assert.equal(metricOf(quiet, model.rows.node[0]), 'hold');
  assert.equal(metricOf(model, model.nodes.n - 1) === null, !model.rows.node.includes(model.nodes.n - 1));
});
