// SPDX-License-Identifier: MIT
// Made-up memory for made-up reports. The story: a burst of requests fills arenas, and afterwards a
// cache keeps a few blocks in each of them. Samples, size classes, snapshots and stacks are computed
// from the same pools, so they agree as a true capture's do.

const POOL = 16384;
const ARENA = 1 << 20;
const MIB = 1 << 20;
const SPAN_NS = 8e9;
const MEAN = 65536;
const CLASSES = [2, 3, 3, 4, 4, 4, 5, 7, 8, 15, 32];

const blocksOf = (c) => Math.floor((POOL - 48) / (16 * c));

function hash(...values) {
  let h = 0x9e3779b9;
  for (const v of values) h = Math.imul(h ^ (v + 0x7f4a7c15), 0x85ebca6b) ^ (h >>> 13);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return ((h ^ (h >>> 12)) >>> 0) / 4294967296;
}

export const MEMORY_STACKS = {
  cache: [['app/server.py', 'main', 24], ['app/server.py', 'dispatch', 88], ['app/views.py', 'Orders.get', 132],
          ['app/cache.py', 'Cache.put', 57]],
  rows: [['app/server.py', 'main', 24], ['app/server.py', 'dispatch', 88], ['app/views.py', 'Orders.get', 129],
         ['/site-packages/sqlalchemy/engine/result.py', 'Result._allrows', 548]],
  boot: [['app/server.py', '<module>', 3], ['app/plugins.py', 'load_all', 17],
         ['app/models.py', '<module>', 1]],
  metrics: [['app/metrics.py', 'Flusher.run', 12], ['app/metrics.py', 'Histogram.observe', 44]],
};

// kind: boot lives full; burst is left nearly empty, kept by the cache; gone dies after the burst.
function makeArenas(counts, seed) {
  const out = [];
  const add = (kind, born, died) => {
    const id = out.length;
    out.push({ id, kind, seed: seed * 1000 + id, born_ns: Math.round(born), died_ns: died,
               address: 0x7f3a40000000 + (id * 7 + Math.floor(hash(id, seed) * 5)) * ARENA,
               pools: hash(id, 3) < 0.15 ? 63 : 64 });
  };
  for (let i = 0; i < counts.boot; i++) add('boot', 1e7 + i * 2e7, -1);
  for (let i = 0; i < counts.burst; i++) add('burst', 2.4e9 + (i / counts.burst) * 1.6e9, -1);
  for (let i = 0; i < counts.gone; i++) add('gone', 2.6e9 + (i / counts.gone) * 1.5e9, 5.2e9 + i * 3e7);
  return out;
}

// Share of a pool in use at t; below 0: the pool was never used.
function fillAt(arena, pool, t) {
  const own = hash(arena.seed, pool, 1);
  if (arena.kind === 'boot') return hash(arena.seed, 9) < 0.1 && pool > 40 ? -1 : 0.82 + 0.18 * own;
  const age = (t - arena.born_ns) / 4e8;
  if (age < pool / 64) return -1;
  if (t < 4.6e9) return 0.9 + 0.1 * own;
  const left = arena.kind === 'burst' ? Math.max(0, 0.9 - (t - 4.6e9) / 6e8 - 0.2 * own) : 0.9;
  const kept = hash(arena.seed, 7); // some arenas hold more of the cache than others
  return Math.max(left, arena.kind === 'gone' || own < 0.65 - 0.6 * kept ? 0 : (0.04 + 0.5 * kept ** 4) * own ** 2 + 0.002);
}

function classAt(arena, pool) {
  return CLASSES[Math.floor(hash(arena.seed, Math.floor(pool / 5), 5) * CLASSES.length)];
}

function cellAt(arena, pool, t) {
  const fill = pool < arena.pools ? fillAt(arena, pool, t) : -1;
  if (fill < 0) return 0;
  const c = classAt(arena, pool);
  return (c << 10) | Math.min(blocksOf(c), Math.ceil(fill * blocksOf(c)));
}

const livesAt = (a, t) => a.born_ns <= t && (a.died_ns < 0 || a.died_ns > t);

// {used, poolFree, empty} of the arena's pools, and its classes added to `classes`.
function countArena(arena, t, classes) {
  const sum = { used: 0, poolFree: 0, empty: 0 };
  for (let p = 0; p < arena.pools; p++) {
    const cell = cellAt(arena, p, t);
    const c = cell >> 10;
    const used = cell & 1023;
    if (!used) { sum.empty += POOL; continue; }
    sum.used += used * 16 * c;
    sum.poolFree += (blocksOf(c) - used) * 16 * c;
    if (!classes) continue;
    const row = classes.get(c) || { size_bytes: 16 * c, pools: 0, blocks_used: 0, blocks_total: 0 };
    row.pools++;
    row.blocks_used += used;
    row.blocks_total += blocksOf(c);
    classes.set(c, row);
  }
  return sum;
}

function sampleAt(arenas, t, scale) {
  const s = { t_ns: Math.round(t), arenas: 0, arena_bytes: 0, pool_used_bytes: 0, pool_free_bytes: 0, pinned_free_bytes: 0 };
  for (const a of arenas) {
    if (!livesAt(a, t)) continue;
    const n = countArena(a, t);
    s.arenas++;
    s.arena_bytes += ARENA;
    s.pool_used_bytes += n.used;
    s.pool_free_bytes += n.poolFree;
    s.pinned_free_bytes += n.poolFree + n.empty;
  }
  const rest = scale * MIB * (46 + 18 * Math.min(1, t / 2e9) + 30 * Math.exp(-(((t - 4e9) / 9e8) ** 2)));
  return { ...s, rss_bytes: Math.round(s.arena_bytes * 0.97 + rest), file_rss_bytes: 21 * MIB, chunk_bytes: 8 * 16384 };
}

function explain(last, rss) {
  const rows = [['arenas_used', last.pool_used_bytes], ['arenas_free', Math.round(last.pinned_free_bytes * 0.96)],
                ['arenas_overhead', last.arena_bytes - last.pool_used_bytes - last.pinned_free_bytes], ['frame_stacks', last.chunk_bytes],
                ['heap_in_use', Math.round(13.2 * MIB)], ['heap_retained', Math.round(9.4 * MIB)], ['thread_heaps', Math.round(2.6 * MIB)],
                ['file', Math.round(18.5 * MIB)], ['file_private', Math.round(2.7 * MIB)], ['stack', 148 * 1024], ['agent', Math.round(4.1 * MIB)],
                ['other', Math.round(5.8 * MIB)]].filter((r) => r[1] > 0);
  const explained = rows.map(([what, bytes]) => ({ what, bytes }));
  return { explained, unexplained_bytes: rss - explained.reduce((s, r) => s + r.bytes, 0) };
}

function makeAlloc(t, last, nodes) {
  const share = { cache: [0.3, 0.91], boot: [0.52, 0.03], rows: [0.12, 0.045], metrics: [0.06, 0.015] };
  const stacks = Object.entries(share).map(([name, [live, pins]]) => ({
    stack: MEMORY_STACKS[name].map((f) => f[0].split('/').pop() + ':' + f[1] + ':' + f[2]), node: nodes[name],
    live_bytes: Math.round(last.pool_used_bytes * live), live_blocks: Math.round((last.pool_used_bytes * live) / 72),
    pinned_bytes: Math.round(last.pinned_free_bytes * pins), samples: Math.max(1, Math.round((last.pool_used_bytes * live) / MEAN)) }));
  const sum = (k) => stacks.reduce((s, r) => s + r[k], 0);
  stacks.sort((a, b) => b.pinned_bytes - a.pinned_bytes);
  return { mean_bytes: MEAN, samples: 14776, lost_allocs: 0, lost_frees: 0, live_samples: sum('samples'), live_bytes: sum('live_bytes'),
           pinned_bytes: sum('pinned_bytes'), no_allocs: null, stacks };
}

// Only what changed since the snapshot before; the first one has all that live.
function makeSnapshots(arenas, n) {
  const before = new Map();
  return Array.from({ length: n }, (_, k) => {
    const t = n === 1 ? SPAN_NS : (SPAN_NS * k) / (n - 1);
    const changed = [];
    const cells = [];
    arenas.forEach((a, i) => {
      if (!livesAt(a, t)) return;
      const own = Uint16Array.from({ length: 64 }, (_, p) => cellAt(a, p, t));
      if (before.get(i) === own.join()) return;
      before.set(i, own.join());
      changed.push(i);
      cells.push(...own);
    });
    return { t_ns: Math.round(t), arena: changed, cells: encodeCells(cells) };
  });
}

export function encodeCells(cells) {
  const bytes = Buffer.alloc(cells.length * 2);
  cells.forEach((c, i) => bytes.writeUInt16LE(c, 2 * i));
  return bytes.toString('base64');
}

function makeMap(process, arenas, snapshots, node, leftOut) {
  const of = (k) => arenas.map((a) => a[k]);
  return { process, pool_bytes: POOL, left_out: leftOut,
           arenas: { id: of('id'), address: of('address'), born_ns: of('born_ns'), died_ns: of('died_ns'), bytes: arenas.map(() => ARENA),
                     pools: of('pools'), node: arenas.map(node) },
           snapshots: makeSnapshots(arenas, snapshots) };
}

function makeMemory(t, process, { counts, samples, alloc }) {
  const arenas = makeArenas(counts, process + 1);
  const scale = 1 - 0.2 * process;
  const list = Array.from({ length: samples }, (_, i) => sampleAt(arenas, (SPAN_NS * i) / (samples - 1), scale));
  const last = list[samples - 1];
  const nodes = {};
  for (const [name, stack] of Object.entries(MEMORY_STACKS)) nodes[name] = t.stack(stack);
  const classes = new Map();
  for (const a of arenas) if (livesAt(a, SPAN_NS)) countArena(a, SPAN_NS, classes);
  const rss = last.rss_bytes;
  const memory = { samples: list, peak_arena_bytes: Math.max(...list.map((s) => s.arena_bytes)),
                   size_classes: [...classes.values()].sort((a, b) => a.size_bytes - b.size_bytes),
                   rss_bytes: rss, pss_bytes: Math.round(rss * 0.94), anonymous_bytes: rss - 21 * MIB, uss_bytes: Math.round(rss * 0.91),
                   swap_bytes: 0, ...explain(last, rss), no_arenas: null, alloc: alloc ? makeAlloc(t, last, nodes) : null };
  const origin = { boot: nodes.boot, burst: nodes.rows, gone: nodes.rows };
  return { memory, arenas, node: (a) => (a.id % 11 === 10 ? 0 : origin[a.kind]) };
}

function pushAllocRows(rows, process, alloc) {
  for (const s of alloc.stacks) {
    rows.process.push(process);
    rows.node.push(s.node);
    rows.live.push(s.live_bytes);
    rows.live_n.push(s.live_blocks);
    rows.pinned.push(s.pinned_bytes);
  }
}

function sumJob(processes) {
  const known = processes.filter((p) => p.memory);
  const sum = (of) => known.reduce((s, p) => s + of(p.memory), 0);
  const last = (k) => sum((m) => m.samples[m.samples.length - 1][k]);
  return { processes: known.length, arena_bytes: last('arena_bytes'), pool_used_bytes: last('pool_used_bytes'),
           pinned_free_bytes: last('pinned_free_bytes'), rss_bytes: last('rss_bytes'), pss_bytes: sum((m) => m.pss_bytes), uss_bytes: sum((m) => m.uss_bytes) };
}

// Adds memory to a made-up report, in place. `t` is its table of frames and nodes.
export function addMemory(report, t, { counts = { boot: 13, burst: 84, gone: 22 }, samples = 160, snapshots = 25, alloc = true, leftOut = 0 } = {}) {
  const rows = { process: [], node: [], live: [], live_n: [], pinned: [] };
  report.arena_maps = [];
  report.processes.forEach((p, i) => {
    const smaller = Object.fromEntries(Object.entries(counts).map(([k, n]) => [k, Math.max(1, Math.round(n / (i + 1)))]));
    const made = makeMemory(t, i, { counts: smaller, samples, alloc });
    p.memory = made.memory;
    report.arena_maps.push(makeMap(i, made.arenas, snapshots, made.node, leftOut));
    if (alloc) pushAllocRows(rows, i, made.memory.alloc);
  });
  report.memory = sumJob(report.processes);
  if (alloc) report.alloc_rows = rows;
  return report;
}

const ZERO = { t_ns: 0, arenas: 0, arena_bytes: 0, pool_used_bytes: 0, pool_free_bytes: 0, pinned_free_bytes: 0, rss_bytes: 61e6,
               file_rss_bytes: 2e7, chunk_bytes: 0 };

// A Python without pymalloc: its size is known, its arenas are not.
export function noArenas(why) {
  return { samples: [ZERO, { ...ZERO, t_ns: 2e9, rss_bytes: 88e6 }], peak_arena_bytes: 0, size_classes: [], rss_bytes: 88e6, pss_bytes: 8e7,
           anonymous_bytes: 6e7, uss_bytes: 7e7, swap_bytes: 3e6, explained: [{ what: 'heap', bytes: 9e7 }, { what: 'file', bytes: 4e6 }],
           unexplained_bytes: -6e6, no_arenas: why, alloc: null };
}

// Numbers that cannot be, and markup wherever a string stands.
export function hostileMemory(report, markup) {
  const m = report.processes[0].memory;
  m.samples = [{ t_ns: -5, arenas: -1, arena_bytes: 1e308, pool_used_bytes: 'x', rss_bytes: null }, {}, ...m.samples.slice(0, 3),
               { ...m.samples[9], rss_bytes: 1.8e19, pinned_free_bytes: 9e18, arena_bytes: 1 }];
  m.size_classes.push({ size_bytes: 1e12, pools: -4, blocks_used: 9e15, blocks_total: 3 }, { size_bytes: markup });
  m.explained.unshift({ what: markup, bytes: 3e7 }, { what: 'constructor', bytes: 5 }, { what: '__proto__', bytes: -1 });
  m.unexplained_bytes = -1e300;
  m.alloc.lost_frees = 12;
  m.alloc.stacks.unshift({ stack: [markup, markup], node: 1e9, live_bytes: 7e18, live_blocks: -1, pinned_bytes: 2 ** 62, samples: 'x' });
  const { arenas, snapshots } = report.arena_maps[0];
  arenas.address[0] = 1e300;
  arenas.born_ns[0] = -1e300;
  arenas.bytes[1] = 2 ** 50;
  snapshots[0].cells = encodeCells(Array.from({ length: snapshots[0].arena.length * 64 }, (_, i) => (i * 977) & 0xffff));
  return report;
}
