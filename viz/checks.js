// SPDX-License-Identifier: MIT
// Proofs about untrusted data: a report that fails one is refused with the reason. Pure.

export function fail(what) {
  throw new Error('this report’s data is damaged: ' + what);
}

// Column `name` of `src` as a typed array of exactly `n` values.
export function column(src, name, n, Type) {
  const a = (src && src[name]) || [];
  if (a.length !== n) fail(name + ' has ' + a.length + ' values, ' + n + ' expected');
  return Type.from(a);
}

export function inRange(a, from, to, what) {
  for (let i = 0; i < a.length; i++) {
    if (!(a[i] >= from && a[i] < to)) fail(what + '[' + i + '] = ' + a[i] + ' is out of range');
  }
}

// A size or a time as a u64 can hold it; 0 for anything else.
export function size(v) {
  return typeof v === 'number' && v > 0 && v < 2 ** 64 ? v : 0;
}

export function sizes(src, keys) {
  const out = {};
  for (const k of keys) out[k] = size(src && src[k]);
  return out;
}

export const list = (v) => (Array.isArray(v) ? v : []);
export const objects = (v) => list(v).filter((x) => x && typeof x === 'object');
export const textOrNull = (v) => (v === null || v === undefined || v === '' ? null : String(v));

// 0, the root, where it is none of the `n` nodes.
export function nodeOf(v, n) {
  return Number.isInteger(v) && v > 0 && v < n ? v : 0;
}

// Self values of one stack in one process; null where there are none.
export function readStackRows(src, values, nProcesses, nNodes, what) {
  const n = list(src && src.node).length;
  if (!n) return null;
  const rows = { n };
  for (const k of ['process', 'node']) rows[k] = column(src, k, n, Int32Array);
  for (const k of values) rows[k] = column(src, k, n, Float64Array);
  inRange(rows.process, 0, nProcesses, what + '.process');
  inRange(rows.node, 0, nNodes, what + '.node');
  for (const k of values) inRange(rows[k], 0, Infinity, what + '.' + k);
  return rows;
}
