// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeModel, selfWeights, isSynthetic, framePlace, framePath, NATIVE, INLINED, PYTHON } from '../model.js';
import { kindColour, kindKey, makePalette, contrast, COLOUR_SYNTHETIC } from '../colour.js';
import { parseQuery, matchFrames } from '../search.js';
import { startupFrames } from '../tree.js';
import { makeTreeSource } from '../flame_tree.js';
import { readCounters, readCountRows, stacksOf, ipcOf, ipcByThread, countersText } from '../counters_model.js';
import { fakeReport, hostileReport, nativeReport, HOSTILE } from './fake_profile.mjs';

const frameOf = (frames, func) => frames.func.indexOf(func);

test('native frames say what they are and where they come from', () => {
  const { frames } = makeModel(nativeReport());
  const f = frameOf(frames, 'array_argsort');
  assert.ok(frames.hasNative);
  assert.equal(frames.kind[f], NATIVE);
  assert.equal(framePlace(frames, f), '_multiarray_umath.so');
  assert.equal(framePath(frames, f), '/usr/lib/python3/numpy/core/_multiarray_umath.so');
  assert.equal(frames.address[f], '0x8c120');
  assert.equal(framePlace(frames, frameOf(frames, 'swap')), 'npysort_common.h:31');
  assert.equal(frames.kind[frameOf(frames, 'swap')], INLINED);
  assert.equal(framePlace(frames, frameOf(frames, '0x4321 (libblas.so.3)')), '', 'its name says it');
  assert.ok(!isSynthetic(frames, frameOf(frames, '(anonymous namespace)::introsort')));
});

test('a report without native frames is as it was', () => {
  const { frames } = makeModel(fakeReport());
  assert.ok(!frames.hasNative);
  assert.equal(frames.kind[0], PYTHON);
  assert.equal(frames.module[0], '');
});

test('kinds that are damaged are refused', () => {
  for (const break_ of [(f) => { f.kind[1] = 'constructor'; }, (f) => { f.kind.pop(); }, (f) => { f.module.pop(); }, (f) => { f.address = 'x'; }]) {
    const r = nativeReport();
    break_(r.frames);
    assert.throws(() => makeModel(r), /damaged/);
  }
});

test('modules are found', () => {
  const { frames } = makeModel(nativeReport());
  const found = (q) => frames.func.filter((_, f) => matchFrames(frames, parseQuery(q)).mask[f]);
  assert.deepEqual(found('libblas'), ['0x4321 (libblas.so.3)']);
  assert.deepEqual(found('multiarray'), ['array_argsort', '(anonymous namespace)::introsort', 'swap']);
  assert.deepEqual(found('/multiarray_umath[.]so$/'), ['array_argsort', '(anonymous namespace)::introsort', 'swap']);
});

test('what starts the interpreter is a startup frame; the same names in Python are not', () => {
  const { frames } = makeModel(nativeReport());
  const hidden = startupFrames(frames);
  assert.equal(hidden[frameOf(frames, 'Py_RunMain')], 1);
  assert.equal(hidden[frames.func.lastIndexOf('main')], 1);
  assert.equal(hidden[frameOf(frames, 'main')], 0);
  assert.equal(hidden[frameOf(frames, 'array_argsort')], 0);
});

test('kinds differ in colour in both themes, and text on them is readable', () => {
  const rgb = (css) => css.match(/\d+/g).map(Number);
  const hex = (s) => [1, 3, 5].map((i) => parseInt(s.slice(i, i + 2), 16));
  for (const dark of [false, true]) {
    const { colours, text } = makePalette(dark);
    const keys = [0, 1, 2, 3].map((k) => colours[kindKey(k)]);
    assert.equal(new Set(keys).size, 4);
    for (const k of keys) assert.ok(contrast(rgb(k), hex(text)) >= 4.5, k);
    const all = [0, 1, 2].map((k) => new Set(Array.from({ length: 50 }, (_, i) => kindColour(k, 'f' + i))));
    assert.equal(new Set(all.flatMap((s) => [...s])).size, 9, 'three shades each, none shared');
  }
  assert.equal(kindColour(3, 'f'), COLOUR_SYNTHETIC);
  assert.equal(kindColour(77, 'f'), COLOUR_SYNTHETIC);
});

test('counters are scaled by the time they were counted', () => {
  const { counters: c } = makeModel(nativeReport()).processes[0];
  const [cycles] = c.threads;
  assert.equal(cycles.counted, 0.5);
  assert.equal(cycles.count, 2e9);
  assert.equal(cycles.holding, 16e8);
  assert.equal(c.threads[2].holding, 44e8);
  assert.equal(c.threads[2].counted, 1);
});

test('instructions a cycle, by state, and only where both were counted', () => {
  const { counters: c } = makeModel(nativeReport()).processes[0];
  assert.deepEqual(ipcOf(c), { holding: 1.5, waiting: 1, off_gil: 1 });
  assert.deepEqual(ipcByThread(c).map((r) => [r.thread, r.ipc.holding, r.ipc.off_gil]), [[0, 2, 3], [1, 58 / 44, 14 / 18]]);
  assert.deepEqual(countersText(c), ['1.50 instructions a cycle while holding the GIL, 1.00 off it.',
                                     '1.30 context switches while waiting, for each wait that got the GIL.']);
  c.events[0].source = 'none';
  assert.equal(ipcOf(c), null);
  assert.deepEqual(ipcByThread(c), []);
  assert.equal(countersText(c).length, 1);
});

test('each event that was counted by stack is a metric of the flame graph', () => {
  const m = makeModel(nativeReport());
  assert.deepEqual([...m.counted.keys()], ['count/cycles', 'count/context-switches', 'count/task-clock']);
  const { rows, column, noun, fmt } = m.metrics['count/task-clock'];
  assert.equal(noun, 'task-clock');
  assert.match(fmt(31e8), /s$/);
  const self = selfWeights(m, rows, column, -1, -1);
  assert.equal(self.reduce((a, b) => a + b), 31e8);
  const tree = makeTreeSource(m).tree({ metric: 'count/cycles', process: 0, thread: -1, invert: false, startup: true });
  assert.equal(tree.total[0], 9e9);
  assert.deepEqual(stacksOf(m.counted, 0).map((r) => [r.event, r.all]),
                   [['cycles', 6e9], ['cycles', 3e9], ['context-switches', 5100], ['task-clock', 31e8]]);
  assert.deepEqual(stacksOf(m.counted, 1), []);
});

test('rows of an event that nobody names are left out, and a node out of range is damage', () => {
  const r = nativeReport();
  r.count_rows.event = [0, 99, 2, 3];
  assert.equal(makeModel(r).counted.get('count/cycles').n, 1);
  const bad = nativeReport();
  bad.count_rows.node[0] = 1e6;
  assert.throws(() => makeModel(bad), /count_rows.node/);
  assert.equal(readCountRows(undefined, [], 1).size, 0);
});

test('garbage in counters is nothing', () => {
  assert.equal(readCounters(undefined), null);
  assert.equal(readCounters('x'), null);
  const c = readCounters({ events: [null, 7, { event: {}, source: 'constructor', count: -1, holding: 1e300 }],
                           threads: [{ thread: 'x', count: NaN, enabled_ns: 9, running_ns: -3 }, []], switches_per_handoff: 'x' });
  assert.equal(c.events.length, 1);
  assert.equal(c.events[0].source, 'none');
  assert.equal(c.events[0].holding, 0);
  assert.equal(c.threads[0].thread, -1);
  assert.equal(c.threads[0].counted, 1);
  assert.deepEqual(countersText(c), []);
});

test('hostile names of modules and events are text', () => {
  const m = makeModel(hostileReport());
  assert.ok(m.frames.module.some((s) => s.includes('<img')));
  assert.ok(m.processes[0].counters.events[0].event.includes('<img'));
  assert.ok(!m.frames.module.some((s) => s.includes('\u202e')), HOSTILE.bidi);
});
