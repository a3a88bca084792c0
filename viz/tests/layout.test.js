// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { layoutIcicle, makeBoxes, nodeAt, siblings, clampWindow } from '../layout_icicle.js';
import { layoutMatrix, logShade } from '../layout_matrix.js';
import { layoutBand, ticks, bandRows } from '../layout_band.js';
import { finishTree, wholeStructure } from '../tree.js';

// A root with `n` children of falling weight, each with one child.
function fan(n) {
  const parent = new Int32Array(2 * n + 1);
  const frame = new Int32Array(2 * n + 1).fill(0);
  const self = new Float64Array(2 * n + 1);
  frame[0] = -1;
  for (let i = 0; i < n; i++) {
    parent[1 + i] = 0;
    parent[1 + n + i] = 1 + i;
    self[1 + n + i] = 1 + (n - i) ** 2;
  }
  return finishTree(wholeStructure({ n: 2 * n + 1, parent, frame }), self);
}

const view = (t, over) => ({ x0: 0, x1: t.total[0], width: 1000, minPx: 1, row0: 0, row1: 50, ...over });

test('boxes tile each row, and what is too small is one box with its count', () => {
  const t = fan(5000);
  const b = layoutIcicle(t, view(t), makeBoxes());
  let x = 0;
  let counted = 0;
  for (let i = 0; i < b.n; i++) {
    if (b.row[i] !== 1) continue;
    assert.ok(Math.abs(b.x[i] - x) < 0.01);
    x = b.x[i] + b.w[i];
    counted += b.count[i];
  }
  assert.ok(Math.abs(x - 1000) < 0.01);
  assert.equal(counted, 5000);
  assert.ok(b.n < 3000);
});

test('the work is bound by pixels: a million boxes give no more than the window holds', () => {
  const t = fan(500000);
  const b = layoutIcicle(t, view(t, { width: 1600, minPx: 0.8 }), makeBoxes());
  assert.ok(b.n < 2 * 1600 / 0.8);
  const start = performance.now();
  for (let i = 0; i < 20; i++) layoutIcicle(t, view(t, { x0: t.total[0] * 0.3, x1: t.total[0] * 0.9 }), b);
  assert.ok((performance.now() - start) / 20 < 200);
});

test('a zoomed window shows callers at full width and nothing outside', () => {
  const t = fan(10);
  const node = t.list[t.start[0] + 3];
  const b = layoutIcicle(t, view(t, { x0: t.x[node], x1: t.x[node] + t.total[node] }), makeBoxes());
  assert.deepEqual([...b.node.subarray(0, b.n)].slice(0, 2), [0, node]);
  for (let i = 0; i < b.n; i++) assert.ok(b.x[i] >= 0 && b.x[i] + b.w[i] <= 1000.01);
  assert.equal(b.w[0], 1000);
});

test('a place leads to its node and back; siblings are known', () => {
  const t = fan(100);
  for (let i = 1; i < t.n; i++) assert.equal(nodeAt(t, t.x[i] + t.total[i] / 2, t.depth[i]), i);
  assert.equal(nodeAt(t, -1, 1), -1);
  assert.equal(nodeAt(t, 5, 3), -1);
  const s = siblings(t, t.list[t.start[0] + 1]);
  assert.deepEqual([s.index, s.count, s.prev, s.next], [1, 100, t.list[t.start[0]], t.list[t.start[0] + 2]]);
});

test('an empty tree and an empty window lay out nothing', () => {
  const t = finishTree(wholeStructure({ n: 1, parent: Int32Array.of(0), frame: Int32Array.of(-1) }), new Float64Array(1));
  assert.equal(layoutIcicle(t, view(t, { x1: 0 }), makeBoxes()).n, 0);
  const w = clampWindow(fan(3), -50, 1e9);
  assert.equal(w.x0, 0);
});

test('the matrix keeps every nanosecond, with the small ones in "other"', () => {
  const pairs = [];
  for (let w = 0; w < 60; w++) for (let h = 0; h < 60; h++) pairs.push({ waiter: w, holder: h, ns: w * h });
  pairs.push({ waiter: -1, holder: -1, ns: 77 });
  const m = layoutMatrix(pairs, 10);
  const whole = pairs.reduce((s, p) => s + p.ns, 0);
  assert.equal(m.total, whole);
  assert.equal(m.cells.flat().reduce((a, b) => a + b), whole);
  assert.equal(m.waiters.length, 11);
  assert.equal(m.waiters[10], -1);
  assert.equal(m.waiters[0], 59);
  assert.equal(layoutMatrix([]).total, 0);
  assert.equal(logShade(0, 5), 0);
  assert.equal(logShade(5, 5), 1);
  assert.ok(logShade(0.5, 5) < logShade(1, 5));
});

test('the band keeps its area when resampled, up or down', () => {
  const tl = { bin_ns: 10, hold: [10, 0, 5, 10, 2], wait: [20, 0, 0, 30, 1] };
  for (const columns of [1, 2, 3, 5, 800]) {
    const b = layoutBand(tl, columns);
    const held = b.held.reduce((s, v) => s + v * b.slot_ns, 0);
    const waited = b.waiting.reduce((s, v) => s + v * b.slot_ns, 0);
    assert.ok(Math.abs(held - 27) < 1e-9 && Math.abs(waited - 51) < 1e-9);
  }
  assert.equal(layoutBand({ bin_ns: 1, hold: [], wait: [] }, 100).n, 0);
  assert.equal(bandRows(tl, 40).length, 5);
  assert.deepEqual(ticks(10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(0, 5), [0]);
});
