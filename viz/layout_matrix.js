// SPDX-License-Identifier: MIT
// Who waited for whom, as a matrix of at most `limit` threads a side; the rest is one "other" row
// and column, so that every nanosecond is on the picture. Pure.

// Threads by what they cost or lost; index -1 is "other".
function heaviest(sums, limit) {
  const all = [...sums.keys()].filter((t) => t >= 0);
  all.sort((a, b) => sums.get(b) - sums.get(a) || a - b);
  const kept = all.slice(0, limit);
  if (all.length > limit || sums.has(-1)) kept.push(-1);
  return kept;
}

function add(map, key, v) {
  map.set(key, (map.get(key) || 0) + v);
}

// pairs: [{waiter, holder, ns}] -> {waiters, holders, cells[w][h], rowSum, colSum, max, total}
export function layoutMatrix(pairs, limit = 24) {
  const byWaiter = new Map();
  const byHolder = new Map();
  for (const p of pairs) {
    if (!(p.ns > 0)) continue;
    add(byWaiter, p.waiter, p.ns);
    add(byHolder, p.holder, p.ns);
  }
  const waiters = heaviest(byWaiter, limit);
  const holders = heaviest(byHolder, limit);
  const m = { waiters, holders, max: 0, total: 0, cells: waiters.map(() => holders.map(() => 0)),
              rowSum: waiters.map(() => 0), colSum: holders.map(() => 0) };
  const rowOf = new Map(waiters.map((t, i) => [t, i]));
  const colOf = new Map(holders.map((t, i) => [t, i]));
  for (const p of pairs) {
    if (!(p.ns > 0)) continue;
    const r = rowOf.has(p.waiter) ? rowOf.get(p.waiter) : rowOf.get(-1);
    const c = colOf.has(p.holder) ? colOf.get(p.holder) : colOf.get(-1);
    m.cells[r][c] += p.ns;
    m.rowSum[r] += p.ns;
    m.colSum[c] += p.ns;
    m.total += p.ns;
  }
  for (const row of m.cells) for (const v of row) m.max = Math.max(m.max, v);
  return m;
}

// 0 for nothing, else 0..1 on a log scale of `decades` decades below the maximum.
export function logShade(ns, max, decades = 3) {
  if (!(ns > 0) || !(max > 0)) return 0;
  const t = 1 + Math.log10(ns / max) / decades;
  return Math.min(1, Math.max(0.04, t));
}
