// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { contract, wholeStructure, project, invert, finishTree, frameTable, pathTo, sumBelow, startupFrames } from '../tree.js';
import { makeTreeSource, shownNode } from '../flame_tree.js';
import { makeModel } from '../model.js';
import { fakeReport } from './fake_profile.mjs';

// root -> a(0) -> b(1) -> a(0) ; root -> c(2) -> b(1)
const NODES = { n: 6, parent: Int32Array.of(0, 0, 1, 2, 0, 4), frame: Int32Array.of(-1, 0, 1, 0, 2, 1) };
const SELF = Float64Array.of(0, 1, 2, 4, 8, 16);

test('totals, order and places: heavy first, children inside their parent', () => {
  const t = finishTree(wholeStructure(NODES), SELF);
  assert.deepEqual([...t.total], [31, 7, 6, 4, 24, 16]);
  assert.deepEqual([...t.list.subarray(t.start[0], t.start[1])], [4, 1]);
  assert.equal(t.x[1], 24);
  assert.equal(t.maxDepth, 3);
  assert.deepEqual(pathTo(t, 3), [1, 2, 3]);
  assert.equal(sumBelow(t, SELF, 1), 7);
});

test('hiding a frame moves its callees up and merges equals; nothing is lost', () => {
  const hide = Uint8Array.of(0, 0, 1); // c
  const s = contract(NODES, hide);
  const t = finishTree(s, project(s, SELF));
  assert.equal(t.total[0], 31);
  assert.deepEqual([...s.of], [0, 1, 2, 3, 0, 4]);
  const merged = contract(NODES, Uint8Array.of(1, 0, 1)); // a and c: both b become one
  assert.equal(merged.n, 2);
  assert.deepEqual([...project(merged, SELF)], [9, 22]);
});

test('inverting keeps the whole and starts from the innermost frame', () => {
  const { structure, self } = invert(wholeStructure(NODES), SELF);
  const t = finishTree(structure, self);
  assert.equal(t.total[0], 31);
  const top = [...t.list.subarray(t.start[0], t.start[1])].map((i) => [t.frame[i], t.total[i]]);
  assert.deepEqual(top, [[1, 18], [2, 8], [0, 5]]);
});

test('the table counts a recursive function once', () => {
  const t = finishTree(wholeStructure(NODES), SELF);
  const rows = new Map(frameTable(t, 0).map((r) => [r.frame, r]));
  assert.equal(rows.get(0).total, 7);
  assert.equal(rows.get(0).self, 5);
  assert.equal(rows.get(1).total, 22);
  assert.equal(frameTable(t, 4).length, 2);
});

test('random trees: contraction and inversion keep every nanosecond', () => {
  let s = 1;
  const rnd = () => (s = (s * 48271) % 2147483647) / 2147483647;
  const n = 5000;
  const parent = new Int32Array(n);
  const frame = new Int32Array(n);
  const self = new Float64Array(n);
  for (let i = 1; i < n; i++) {
    parent[i] = Math.floor(rnd() * i);
    frame[i] = Math.floor(rnd() * 50);
    self[i] = Math.floor(rnd() * 1000);
  }
  frame[0] = -1;
  const whole = self.reduce((a, b) => a + b);
  const hide = Uint8Array.from({ length: 50 }, (_, f) => (f % 5 === 0 ? 1 : 0));
  const c = contract({ n, parent, frame }, hide);
  assert.equal(finishTree(c, project(c, self)).total[0], whole);
  for (let i = 1; i < c.n; i++) assert.ok(c.parent[i] < i && !hide[c.frame[i]]);
  const inv = invert({ n, parent, frame }, self);
  assert.equal(finishTree(inv.structure, inv.self).total[0], whole);
});

test('a finding’s node is found again with startup frames hidden or shown', () => {
  const m = makeModel(fakeReport());
  const source = makeTreeSource(m);
  const node = m.findings[0].node;
  for (const startup of [true, false]) {
    const t = source.tree({ metric: 'blame', process: -1, thread: -1, invert: false, startup });
    const shown = shownNode(t, node);
    assert.equal(m.frames.func[t.frame[shown]], 'JSONDecoder.raw_decode');
    assert.equal(pathTo(t, shown).length, startup ? 8 : 5);
  }
  assert.equal(startupFrames(m.frames).reduce((a, b) => a + b), 5);
});
