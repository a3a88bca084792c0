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
