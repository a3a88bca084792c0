// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeModel, selfWeights } from '../model.js';
import { POOLS, CLASSES, blocksOf } from '../memory_model.js';
import { makeReplay, seek, snapshotAt, fillOf, classesOf, cellAt } from '../arena_replay.js';
import { ORDERS, ARENA_ROW_PX, ARENA_LEFT, orderArenas, poolEdges, visibleRows, arenaHit, scrollToRow } from '../layout_arena_map.js';
import { MEMORY_LAYERS, layoutSeries, nearestSample, sampleBefore, byteTicks, thinned } from '../layout_series.js';
import { makeTreeSource } from '../flame_tree.js';
import { classRgb, classPalette, fillStep, FILL_STEPS, contrast } from '../colour.js';
import { DEFAULTS, parseHash, formatHash } from '../state.js';
import { fakeReport, arenasReport, hostileReport, freeThreadedReport, emptyReport } from './fake_profile.mjs';
import { encodeCells } from './fake_memory.mjs';

const sum = (a) => a.reduce((s, v) => s + v, 0);
const mapOf = (report) => makeModel(report).arenaMaps.get(0);

// Two arenas by hand: the second one comes later and its first pools change.
function smallMap() {
  const r = emptyReport();
  r.processes = [{ pid: 1, gil: {}, threads: [], blame: [] }];
  const cells = (list) => [...list, ...new Array(POOLS - list.length).fill(0)];
  const arenas = { id: [4, 9], address: [0x2000000, 0x1000000], born_ns: [0, 10], died_ns: [25, -1], bytes: [1 << 20, 1 << 20], pools: [64, 63], node: [0, 0] };
  r.arena_maps = [{ process: 0, pool_bytes: 16384, arenas, snapshots: [
    { t_ns: 5, arena: [0], cells: encodeCells(cells([(2 << 10) | 10, (2 << 10) | 5, 3 << 10])) },
    { t_ns: 15, arena: [1], cells: encodeCells(cells([(32 << 10) | 31])) },
    { t_ns: 30, arena: [1], cells: encodeCells(cells([32 << 10, (1 << 10) | 1])) }] }];
  return r;
}

test('snapshots are replayed, forwards and back', () => {
  const r = makeReplay(mapOf(smallMap()));
  assert.deepEqual(seek(r, 0).shown, [0]);
  assert.equal(r.used[0], 15 * 32);
  assert.equal(r.free[0], (2 * blocksOf(2, 16384) - 15) * 32 + 62 * 16384);
  assert.deepEqual([r.emptied[0], r.never[0]], [1, 61]);
  assert.deepEqual(classesOf(r, 0), [{ size_class: 2, pools: 2, used: 15, total: 2 * blocksOf(2, 16384) }]);
  assert.deepEqual(seek(r, 1).shown, [0, 1]);
  assert.deepEqual(cellAt(r, 1, 0), { state: 'used', size_class: 32, used: 31, total: 31 });
  assert.equal(r.never[1], 62); // of 63 pools
  assert.deepEqual(seek(r, 2).shown, [1]);
  assert.deepEqual([cellAt(r, 1, 0).state, cellAt(r, 1, 1).used, cellAt(r, 1, 2).state], ['emptied', 1, 'never']);
  const later = Uint16Array.from(r.cells);
  seek(r, 0);
  assert.deepEqual([r.used[0], r.used[1], r.never[1]], [15 * 32, 0, 63]);
  assert.deepEqual(seek(r, 2).cells, later);
  assert.deepEqual([0, 5, 14, 15, 99].map((t) => snapshotAt(r.map, t)), [0, 0, 0, 1, 2]);
});

test('the map agrees with the readings of the same moment', () => {
  const report = fakeReport();
  const last = { ...report.processes[0].memory.samples.at(-1) };
  const replay = makeReplay(mapOf(report));
  seek(replay, replay.map.snapshots.length - 1);
  const total = (a) => sum(replay.shown.map((i) => a[i]));
  assert.equal(replay.shown.length, last.arenas);
  assert.equal(total(replay.used), last.pool_used_bytes);
  assert.equal(total(replay.free), last.pinned_free_bytes);
});

test('the sort menu orders rows, the same each time', () => {
  const replay = makeReplay(mapOf(fakeReport()));
  seek(replay, 20);
  const { arenas } = replay.map;
  const key = { free: (a) => -replay.free[a], fill: (a) => fillOf(replay, a), age: (a) => arenas.born_ns[a], address: (a) => arenas.address[a] };
  for (const order of Object.keys(ORDERS)) {
    const rows = orderArenas(replay, order);
    assert.deepEqual([...rows].sort((a, b) => a - b), replay.shown);
    for (let i = 1; i < rows.length; i++) assert.ok(key[order](rows[i - 1]) <= key[order](rows[i]), order);
    assert.deepEqual(orderArenas(replay, order), rows);
  }
});

test('pools tile a row, and a place leads back to its pool', () => {
  for (const width of [300, 736, 1131]) {
    const edges = poolEdges(width);
    assert.equal(edges[0], ARENA_LEFT);
    for (let p = 0; p < POOLS; p++) {
      assert.ok(edges[p + 1] > edges[p]);
      assert.deepEqual(arenaHit(edges, 9, 100, edges[p], 2 * ARENA_ROW_PX), { row: 8, pool: p });
    }
    assert.deepEqual(arenaHit(edges, 9, 0, 3, 5), { row: 0, pool: -1 });
    assert.deepEqual(arenaHit(edges, 9, 0, edges[POOLS], 5), { row: 0, pool: -1 });
    assert.equal(arenaHit(edges, 9, 0, 300, 9 * ARENA_ROW_PX), null);
  }
});

test('only rows in view are drawn, however many there are', () => {
  assert.deepEqual(visibleRows(2000, 0, 640), { first: 0, last: 40 });
  const seen = visibleRows(2000, 16001, 640);
  assert.deepEqual(seen, { first: 1000, last: 1041 });
  assert.deepEqual(visibleRows(3, 0, 640), { first: 0, last: 3 });
  assert.deepEqual(visibleRows(0, 0, 640), { first: 0, last: 0 });
  assert.equal(scrollToRow(0, 500, 640), 0);
  assert.equal(scrollToRow(35, 0, 640), 0);
  assert.equal(scrollToRow(40, 0, 640), ARENA_ROW_PX);
});

test('layers stack to the arenas, and a single reading is a whole picture', () => {
  const m = makeModel(fakeReport()).processes[0].memory;
  const s = layoutSeries(m.samples, MEMORY_LAYERS, 'rss_bytes');
  m.samples.forEach((sample, i) => assert.equal(s.tops[3][i], sample.arena_bytes));
  assert.equal(s.max, Math.max(...m.samples.map((x) => x.rss_bytes)));
  assert.deepEqual([s.x[0], s.x[s.x.length - 1]], [0, 1]);
  assert.equal(nearestSample(s.x, 0.5), 79);
  assert.deepEqual([-1, 0, 0.24, 0.25, 2].map((at) => sampleBefore([0.1, 0.2, 0.25, 1], at)), [0, 0, 1, 2, 3]);
  const limited = (n) => layoutSeries(m.samples, MEMORY_LAYERS, 'rss_bytes', n);
  assert.deepEqual([limited(2 * s.max).max, limited(2 * s.max).limit], [2 * s.max, 2 * s.max]);
  assert.deepEqual([limited(5 * s.max).max, limited(5 * s.max).limit], [s.max, 0]);
  assert.deepEqual([...layoutSeries(m.samples.slice(3, 4), MEMORY_LAYERS, 'rss_bytes').x], [0, 1]);
  assert.equal(layoutSeries([], MEMORY_LAYERS, 'rss_bytes').max, 0);
  assert.deepEqual(byteTicks(200 * 2 ** 20, 5), [0, 64, 128, 192].map((v) => v * 2 ** 20));
  assert.deepEqual(byteTicks(0, 5), [0]);
  assert.equal(thinned(m.samples, 40).at(-1), m.last);
  assert.ok(m.samples.every((x) => x.pinned_free_bytes <= m.worst.pinned_free_bytes));
  assert.ok(thinned(m.samples, 40).length <= 41);
});

test('sizes that cannot be are 0, and every cell fits its pool', () => {
  const model = makeModel(hostileReport());
  const m = model.processes[0].memory;
  for (const s of m.samples) for (const [k, v] of Object.entries(s)) assert.ok(v >= 0 && v < 2 ** 66, k + ' ' + v);
  for (const c of m.classes) assert.ok(c.blocks_used <= c.blocks_total && c.free_bytes >= 0);
  assert.ok(Number.isFinite(m.unexplained_bytes));
  assert.equal(m.alloc.stacks[0].node, 0);
  const replay = seek(makeReplay(model.arenaMaps.get(0)), 0);
  for (const a of replay.shown) {
    for (let p = 0; p < POOLS; p++) {
      const cell = cellAt(replay, a, p);
      assert.ok(cell.size_class <= CLASSES && cell.used <= cell.total);
    }
  }
});

test('damaged memory is refused with a reason, never indexed', () => {
  const damage = [
    (r) => { r.arena_maps[0].process = 1; }, (r) => { r.arena_maps[0].pool_bytes = 0; }, (r) => { r.arena_maps[0].arenas.address.pop(); },
    (r) => { r.arena_maps[0].arenas.pools[3] = 65; }, (r) => { r.arena_maps[0].arenas.node[0] = 1e6; },
    (r) => { r.arena_maps[0].snapshots[0].arena[0] = 1e6; }, (r) => { r.arena_maps[0].snapshots[1].cells = '<b>'; },
    (r) => { r.arena_maps[0].snapshots[1].cells += 'AAAA'; }, (r) => { r.alloc_rows.node[0] = 1e6; }, (r) => { r.alloc_rows.live[0] = -1; },
    (r) => { r.alloc_rows.process[0] = 1; }, (r) => { r.alloc_rows.pinned.pop(); },
  ];
  for (const break_ of damage) {
    const r = fakeReport();
    break_(r);
    assert.throws(() => makeModel(r), /damaged/, String(break_));
  }
});

test('reports with less memory, or none, are models too', () => {
  assert.equal(makeModel(emptyReport()).memory, null);
  assert.equal(makeModel(fakeReport({ memory: null })).processes[0].memory, null);
  assert.equal(makeModel(fakeReport({ memory: { alloc: false } })).alloc, null);
  assert.match(makeModel(freeThreadedReport()).processes[0].memory.no_arenas, /mimalloc/);
  assert.deepEqual([mapOf(arenasReport()).left_out, mapOf(arenasReport()).arenas.n], [1234, 2000]);
});

test('live memory is a tree of its own, of a process and not of a thread', () => {
  const model = makeModel(fakeReport({ processes: 2 }));
  const all = sum(selfWeights(model, 'alloc', 'live', -1, -1));
  assert.equal(all, sum(model.alloc.live));
  assert.equal(all, sum([0, 1].map((p) => sum(selfWeights(model, 'alloc', 'live', p, 3)))));
  const tree = makeTreeSource(model).tree({ metric: 'alloc', process: 0, thread: -1, invert: false, startup: true });
  assert.equal(tree.total[0], model.processes[0].memory.alloc.live_bytes);
});

// What is left to an eye without the red or the green cones (Viénot, Brettel and Mollon 1999).
const deutan = ([r, g, b]) => [0.29275 * r + 0.70725 * g, 0.29275 * r + 0.70725 * g, -0.02234 * r + 0.02234 * g + b];
const protan = ([r, g, b]) => [0.11238 * r + 0.88762 * g, 0.11238 * r + 0.88762 * g, 0.00401 * r - 0.00401 * g + b];

test('size classes keep their order for every eye; a fuller pool always stands out more', () => {
  const yellow = (rgb) => (rgb[0] + rgb[1]) / 2 - rgb[2];
  for (const eye of [(c) => c, deutan, protan]) {
    for (let c = 1; c < CLASSES; c++) assert.ok(yellow(eye(classRgb(c + 1, CLASSES))) > yellow(eye(classRgb(c, CLASSES))), String(c));
  }
  const rgb = (s) => s.match(/\d+/g).map(Number);
  for (const dark of [false, true]) {
    const p = classPalette(CLASSES, dark).map(rgb);
    const page = dark ? [20, 26, 34] : [255, 255, 255];
    for (let i = 0; i < p.length; i++) {
      if (i % FILL_STEPS) assert.ok(contrast(p[i], page) > contrast(p[i - 1], page), 'class ' + i / FILL_STEPS);
    }
  }
  assert.deepEqual([fillStep(0, 10), fillStep(10, 10), fillStep(1, 0)], [0, FILL_STEPS - 1, 0]);
});

test('the address restores the moment, the order and the arena', () => {
  const s = { ...DEFAULTS, page: 'memory', process: 1, order: 'age', snapshot: 3, arena: 17 };
  assert.deepEqual(parseHash(formatHash(s)), s);
});
