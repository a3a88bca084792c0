// SPDX-License-Identifier: MIT
// Memory in the report's JSON as typed columns, checked once. Sizes that make no sense become 0;
// what is used as an index is proven in range. Pure.
import { decodeBase64 } from './base64.js';
import { fail, column, inRange, size, sizes, list, textOrNull, nodeOf } from './checks.js';

export const POOLS = 64;   // cells of an arena
export const CLASSES = 32; // size class c holds blocks of 16 c bytes
const POOL_HEADER = 48;

const SAMPLE_SIZES = ['arenas', 'arena_bytes', 'pool_used_bytes', 'pool_free_bytes', 'pinned_free_bytes',
                      'rss_bytes', 'file_rss_bytes', 'chunk_bytes'];
const MAPS_SIZES = ['peak_arena_bytes', 'rss_bytes', 'pss_bytes', 'anonymous_bytes', 'uss_bytes', 'swap_bytes'];
const ALLOC_SIZES = ['mean_bytes', 'samples', 'lost_allocs', 'lost_frees', 'live_samples', 'live_bytes', 'pinned_bytes'];
const JOB_SIZES = ['processes', 'arena_bytes', 'pool_used_bytes', 'pinned_free_bytes', 'rss_bytes', 'pss_bytes', 'uss_bytes'];
const STACK_SIZES = ['live_bytes', 'live_blocks', 'pinned_bytes', 'samples'];

export function blocksOf(sizeClass, poolBytes) {
  return Math.max(0, Math.floor((poolBytes - POOL_HEADER) / (16 * sizeClass)));
}

// A sample with the parts of its arenas that a picture stacks: together they are arena_bytes.
function readSample(src) {
  const s = { t_ns: size(src.t_ns), ...sizes(src, SAMPLE_SIZES) };
  s.used = s.pool_used_bytes;
  s.free = s.pool_free_bytes;
  s.empty = Math.max(0, s.pinned_free_bytes - s.pool_free_bytes);
  s.over = Math.max(0, s.arena_bytes - s.used - s.free - s.empty);
  return s;
}

function readClass(c) {
  const out = sizes(c, ['size_bytes', 'pools', 'blocks_used', 'blocks_total']);
  out.blocks_used = Math.min(out.blocks_used, out.blocks_total);
  out.free_bytes = (out.blocks_total - out.blocks_used) * out.size_bytes;
  return out;
}

function readAlloc(a, nNodes) {
  if (!a) return null;
  const stacks = list(a.stacks).map((s) => ({ ...sizes(s, STACK_SIZES), stack: list(s.stack).map(String), node: nodeOf(s.node, nNodes) }));
  return { ...sizes(a, ALLOC_SIZES), no_allocs: textOrNull(a.no_allocs), stacks };
}

const EMPTY_SAMPLE = readSample({});

// Null where nothing about memory was recorded.
export function readMemory(m, nNodes) {
  if (!m || typeof m !== 'object') return null;
  const samples = list(m.samples).map(readSample).sort((a, b) => a.t_ns - b.t_ns);
  return {
    ...sizes(m, MAPS_SIZES), samples, last: samples.length ? samples[samples.length - 1] : EMPTY_SAMPLE,
    worst: samples.reduce((a, s) => (s.pinned_free_bytes > a.pinned_free_bytes ? s : a), EMPTY_SAMPLE),
    classes: list(m.size_classes).map(readClass),
    explained: list(m.explained).map((r) => ({ what: String(r.what), bytes: size(r.bytes) })),
    unexplained_bytes: m.unexplained_bytes < 0 ? -size(-m.unexplained_bytes) : size(m.unexplained_bytes),
    no_arenas: textOrNull(m.no_arenas), alloc: readAlloc(m.alloc, nNodes),
  };
}

// Sums over the processes of the job.
export function readJobMemory(m) {
  return m && typeof m === 'object' ? sizes(m, JOB_SIZES) : null;
}

// Where two disagree the pool's own capacity wins: a fill is never above 1.
function readCells(text, n, poolBytes, what) {
  let bytes;
  try {
    bytes = decodeBase64(String(text));
  } catch {
    fail(what + ' is not base64');
  }
  if (bytes.length !== n * POOLS * 2) fail(what + ' has ' + bytes.length + ' bytes for ' + n + ' arenas');
  const cells = new Uint16Array(n * POOLS);
  for (let i = 0; i < cells.length; i++) {
    const cell = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const c = cell >> 10;
    if (c > 0 && c <= CLASSES) cells[i] = (c << 10) | Math.min(cell & 1023, blocksOf(c, poolBytes));
  }
  return cells;
}

function readSnapshot(s, n, poolBytes, what) {
  const arena = Int32Array.from(list(s.arena));
  inRange(arena, 0, n, what + '.arena');
  return { t_ns: size(s.t_ns), arena, cells: readCells(s.cells, arena.length, poolBytes, what + '.cells') };
}

function readArenas(src, nNodes, what) {
  const n = (src.address || []).length;
  const a = { n };
  for (const k of ['id', 'address', 'born_ns', 'died_ns', 'bytes', 'pools']) a[k] = column(src, k, n, Float64Array);
  a.node = column(src, 'node', n, Int32Array);
  inRange(a.pools, 0, POOLS + 1, what + '.pools');
  inRange(a.node, 0, nNodes, what + '.node');
  inRange(a.bytes, 0, 2 ** 53, what + '.bytes');
  return a;
}

// Map from the index of a process to its arenas and snapshots.
export function readArenaMaps(raw, nProcesses, nNodes) {
  const maps = new Map();
  for (const [i, m] of list(raw).entries()) {
    const what = 'arena_maps[' + i + ']';
    if (!(Number.isInteger(m.process) && m.process >= 0 && m.process < nProcesses)) fail(what + '.process');
    if (!(m.pool_bytes > POOL_HEADER && m.pool_bytes <= 2 ** 30)) fail(what + '.pool_bytes');
    const arenas = readArenas(m.arenas || {}, nNodes, what);
    const snapshots = list(m.snapshots).map((s, k) => readSnapshot(s, arenas.n, m.pool_bytes, what + '.snapshots[' + k + ']'));
    maps.set(m.process, { pool_bytes: m.pool_bytes, left_out: size(m.left_out), arenas, snapshots });
  }
  return maps;
}
