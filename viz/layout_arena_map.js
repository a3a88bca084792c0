// SPDX-License-Identifier: MIT
// The arena map: which arena is on which row, where its pools stand, and what is under a point. Pure.
import { POOLS } from './memory_model.js';
import { fillOf } from './arena_replay.js';

export const ARENA_ROW_PX = 16;
export const ARENA_LEFT = 112; // room for an address
export const ARENA_RIGHT = 92; // room for a size

// Each: value to sort by, ascending; ties by address.
export const ORDERS = {
  free: { label: 'Bytes freeable', of: (r, a) => -r.free[a] },
  fill: { label: 'Fill, emptiest first', of: (r, a) => fillOf(r, a) },
  age: { label: 'Age, oldest first', of: (r, a) => r.map.arenas.born_ns[a] },
  address: { label: 'Address', of: (r, a) => r.map.arenas.address[a] },
};

// The arenas shown, in the order of the rows.
export function orderArenas(replay, order) {
  const { of } = ORDERS[order];
  const { address } = replay.map.arenas;
  const keys = replay.shown.map((a) => [of(replay, a), a]);
  return keys.sort((x, y) => x[0] - y[0] || address[x[1]] - address[y[1]] || x[1] - y[1]).map((k) => k[1]);
}

// Left edges of the 64 pools and the right one of the last, on whole pixels: no seams.
export function poolEdges(width) {
  const room = Math.max(POOLS, width - ARENA_LEFT - ARENA_RIGHT);
  return Int32Array.from({ length: POOLS + 1 }, (_, i) => Math.round(ARENA_LEFT + (i * room) / POOLS));
}

// First and one past the last row that a window onto the rows shows.
export function visibleRows(n, scrollTop, height) {
  const first = Math.max(0, Math.floor(scrollTop / ARENA_ROW_PX));
  return { first: Math.min(n, first), last: Math.min(n, Math.ceil((scrollTop + height) / ARENA_ROW_PX)) };
}

// {row, pool} under a point of the window; pool -1 beside the pools, null where no row is.
export function arenaHit(edges, n, scrollTop, x, y) {
  const row = Math.floor((y + scrollTop) / ARENA_ROW_PX);
  if (!(row >= 0 && row < n)) return null;
  let pool = -1;
  for (let i = 0; i < POOLS && x >= edges[i]; i++) pool = x < edges[i + 1] ? i : -1;
  return { row, pool };
}

// Where to scroll so that a row is whole in the window; as little as that takes.
export function scrollToRow(row, scrollTop, height) {
  const top = row * ARENA_ROW_PX;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + ARENA_ROW_PX - height);
}
