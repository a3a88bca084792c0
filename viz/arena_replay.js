// SPDX-License-Identifier: MIT
// The arenas at one snapshot: a snapshot of the file lists only what changed, so the ones before it
// are replayed. Going forward costs what changed, going back begins anew. Pure.
import { POOLS, blocksOf } from './memory_model.js';

// What its cells say of one arena.
function measure(replay, arena) {
  const { cells, map } = replay;
  const pools = map.arenas.pools[arena];
  let used = 0;
  let free = 0;
  let emptied = 0;
  let never = 0;
  for (let i = arena * POOLS; i < arena * POOLS + pools; i++) {
    const c = cells[i] >> 10;
    const blocks = cells[i] & 1023;
    if (!c) never++;
    else if (!blocks) emptied++;
    else {
      used += blocks * 16 * c;
      free += (blocksOf(c, map.pool_bytes) - blocks) * 16 * c;
    }
  }
  replay.used[arena] = used;
  replay.free[arena] = free + (emptied + never) * map.pool_bytes;
  replay.emptied[arena] = emptied;
  replay.never[arena] = never;
}

function restart(replay) {
  replay.at = -1;
  replay.cells.fill(0);
  for (let a = 0; a < replay.map.arenas.n; a++) measure(replay, a);
}

function apply(replay, snapshot) {
  snapshot.arena.forEach((a, i) => {
    replay.cells.set(snapshot.cells.subarray(i * POOLS, (i + 1) * POOLS), a * POOLS);
    measure(replay, a);
  });
}

// {map, at, t_ns, cells, used, free, emptied, never (by arena), shown: arenas alive at that time}
export function makeReplay(map) {
  const { n } = map.arenas;
  const replay = { map, at: -1, t_ns: 0, cells: new Uint16Array(n * POOLS), used: new Float64Array(n), free: new Float64Array(n),
                   emptied: new Uint8Array(n), never: new Uint8Array(n), shown: [] };
  restart(replay);
  return replay;
}

// The snapshot that shows the time `t_ns`: the last one taken by then.
export function snapshotAt(map, t_ns) {
  let k = 0;
  while (k + 1 < map.snapshots.length && map.snapshots[k + 1].t_ns <= t_ns) k++;
  return k;
}

export function seek(replay, k) {
  const { snapshots, arenas } = replay.map;
  if (k < replay.at) restart(replay);
  while (replay.at < k) apply(replay, snapshots[++replay.at]);
  replay.t_ns = snapshots[k].t_ns;
  replay.shown = [];
  for (let a = 0; a < arenas.n; a++) {
    const alive = arenas.died_ns[a] < 0 || arenas.died_ns[a] > replay.t_ns;
    if (alive && arenas.born_ns[a] <= replay.t_ns) replay.shown.push(a);
  }
  return replay;
}

export function fillOf(replay, arena) {
  const whole = replay.used[arena] + replay.free[arena];
  return whole > 0 ? replay.used[arena] / whole : 0;
}

// The pools of one arena by size class, ascending: {size_class, pools, used, total}.
export function classesOf(replay, arena) {
  const rows = new Map();
  for (let i = arena * POOLS; i < arena * POOLS + replay.map.arenas.pools[arena]; i++) {
    const c = replay.cells[i] >> 10;
    const used = replay.cells[i] & 1023;
    if (!used) continue;
    const row = rows.get(c) || { size_class: c, pools: 0, used: 0, total: 0 };
    row.pools++;
    row.used += used;
    row.total += blocksOf(c, replay.map.pool_bytes);
    rows.set(c, row);
  }
  return [...rows.values()].sort((a, b) => a.size_class - b.size_class);
}

// A cell in words a picture and a screen reader share: {state, size_class, used, total}.
export function cellAt(replay, arena, pool) {
  const cell = replay.cells[arena * POOLS + pool];
  const c = cell >> 10;
  const used = cell & 1023;
  return { state: !c ? 'never' : used ? 'used' : 'emptied', size_class: c, used,
           total: c ? blocksOf(c, replay.map.pool_bytes) : 0 };
}
