// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseQuery, matchFrames, matchTree } from '../search.js';
import { parseHash, formatHash, DEFAULTS } from '../state.js';
import { frameColour, makePalette, heatColour, heatText, contrast } from '../colour.js';
import { finishTree, wholeStructure } from '../tree.js';

const FRAMES = { n: 3, func: ['loads', 'Worker.handle', 'load_all'], file: ['/l/json/__init__.py', '/app/worker.py', '/app/db.py'],
                 line: Int32Array.of(346, 41, 42) };
const hits = (q) => [...matchFrames(FRAMES, parseQuery(q)).mask];

test('a query is a substring, a place or an expression', () => {
  assert.deepEqual(hits('LOAD'), [1, 0, 1]);
  assert.deepEqual(hits('worker.py'), [0, 1, 0]);
  assert.deepEqual(hits('worker.py:41'), [0, 1, 0]);
  assert.deepEqual(hits('worker.py:42'), [0, 0, 0]);
  assert.deepEqual(hits('/^load/'), [1, 0, 1]);
  assert.deepEqual(hits('/LOAD/i'), [1, 0, 1]);
  assert.equal(parseQuery('  '), null);
  assert.match(parseQuery('/(/').error, /not a regular expression/);
});

test('a slow search stops after its second', () => {
  const frames = { n: 1000, func: new Array(1000).fill('x'), file: new Array(1000).fill(''), line: new Int32Array(1000) };
  let clock = 0;
  assert.ok(matchFrames(frames, parseQuery('x'), () => (clock += 600)).late);
});

test('nested matches count once', () => {
  const t = finishTree(wholeStructure({ n: 4, parent: Int32Array.of(0, 0, 1, 2), frame: Int32Array.of(-1, 0, 1, 0) }),
                       Float64Array.of(5, 1, 2, 4));
  const m = matchTree(t, Uint8Array.of(1, 0, 0));
  assert.equal(m.total, 7);
  assert.equal(m.n, 2);
  assert.deepEqual(m.nodes, [1, 3]);
});

test('the address restores every state', () => {
  const s = { ...DEFAULTS, page: 'flame', metric: 'wait', process: 1, thread: 3, invert: true, table: true, zoom: 77,
              query: 'a&b=#/c?%' };
  assert.deepEqual(parseHash(formatHash(s)), s);
  assert.deepEqual(parseHash(''), DEFAULTS);
  assert.deepEqual(parseHash('#overview'), DEFAULTS);
  assert.deepEqual(parseHash('#<script>?z=x&__proto__=1&m=wait').metric, 'wait');
  assert.equal(parseHash('#flame?z=9e99').zoom, 0);
});

test('colours are stable, and text on them is readable in both themes', () => {
  assert.equal(frameColour('a.py', 'f'), frameColour('a.py', 'f'));
  assert.notEqual(frameColour('', '(no stack)'), frameColour('a.py', 'f'));
  const rgb = (s) => (s[0] === '#' ? [1, 3, 5].map((i) => parseInt(s.slice(i, i + 2), 16)) : s.match(/\d+/g).map(Number));
  for (const dark of [false, true]) {
    const p = makePalette(dark);
    for (const c of p.colours) assert.ok(contrast(rgb(c), rgb(p.text)) >= 4.5, c);
    for (let t = 0; t <= 1; t += 0.02) {
      assert.ok(contrast(rgb(heatColour(t, dark)), rgb(heatText(t, dark))) >= 4.5, 'heat ' + t.toFixed(2) + dark);
    }
  }
});
