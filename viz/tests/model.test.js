// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeModel, selfWeights, stackOf, shortPath, processLabel, framePlace } from '../model.js';
import { fakeReport, emptyReport, freeThreadedReport, hostileReport } from './fake_profile.mjs';

const sum = (a) => a.reduce((s, v) => s + v, 0);

test('self values add up to the rows, for every metric and scope', () => {
  const m = makeModel(fakeReport({ processes: 2 }));
  for (const k of ['hold', 'wait', 'blame']) {
    const all = sum(selfWeights(m, 'rows', k, -1, -1));
    assert.equal(all, sum(m.rows[k]));
    const parts = m.processes.map((p, i) => sum(p.threads.map((_, t) => sum(selfWeights(m, 'rows', k, i, t)))));
    assert.equal(sum(parts), all);
  }
});

test('empty, free-threaded and hostile reports are models too', () => {
  for (const r of [emptyReport(), freeThreadedReport(), hostileReport()]) assert.ok(makeModel(r).nodes.n >= 1);
});

test('a damaged report is refused with a reason, never indexed', () => {
  const damage = [
    (r) => { r.nodes.parent[3] = 3; }, (r) => { r.nodes.parent[2] = -1; }, (r) => { r.nodes.frame[1] = 1e6; },
    (r) => { r.rows.node[0] = 1e6; }, (r) => { r.rows.thread[0] = 99; }, (r) => { r.rows.process[0] = -1; },
    (r) => { r.rows.hold.pop(); }, (r) => { r.chains.waiter[0] = 1e6; }, (r) => { r.frames.file.pop(); },
  ];
  for (const break_ of damage) {
    const r = fakeReport();
    break_(r);
    assert.throws(() => makeModel(r), /damaged/);
  }
});

test('stacks are innermost first; places are short', () => {
  const m = makeModel(fakeReport());
  const leaf = m.findings[0].node;
  const stack = stackOf(m.nodes, leaf);
  assert.equal(framePlace(m.frames, stack[0]), 'decoder.py:353');
  assert.equal(framePlace(m.frames, stack[stack.length - 1]), 'threading.py:1032');
  assert.equal(shortPath('/x/lib/python3.12/site-packages/a/b.py'), 'a/b.py');
  assert.equal(shortPath('/usr/lib/python3.12/json/decoder.py'), 'json/decoder.py');
});

test('a process is named by its program', () => {
  const name = (cmdline) => processLabel({ pid: 7, exe: '/usr/bin/python3', cmdline });
  assert.equal(name(['python', '-X', 'dev', '/a/b.py', 'x']), 'b.py (pid 7)');
  assert.equal(name(['python', '-m', 'http.server']), '-m http.server (pid 7)');
  assert.equal(name(['python', '-c', 'x']), 'python -c … (pid 7)');
  assert.equal(name([]), 'python3 (pid 7)');
});
