// SPDX-License-Identifier: MIT
// The band over time: share of time the GIL was held, and how many threads waited, resampled from
// the file's bins to at most one value a pixel. Pure.

// Sums bins into `columns` equal slots; returns shares (0..1) and mean waiting threads.
export function layoutBand(timeline, columns) {
  const n = Math.max(timeline.hold.length, timeline.wait.length);
  const cols = Math.max(1, Math.min(n, Math.floor(columns)));
  const held = new Float64Array(n ? cols : 0);
  const waiting = new Float64Array(n ? cols : 0);
  const slot = (n * timeline.bin_ns) / cols;
  for (let b = 0; b < n; b++) {
    spread(held, (b * cols) / n, ((b + 1) * cols) / n, timeline.hold[b] || 0);
    spread(waiting, (b * cols) / n, ((b + 1) * cols) / n, timeline.wait[b] || 0);
  }
  let maxWaiting = 0;
  for (let c = 0; c < held.length; c++) {
    held[c] = Math.min(1, held[c] / slot);
    waiting[c] /= slot;
    maxWaiting = Math.max(maxWaiting, waiting[c]);
  }
  return { n: held.length, slot_ns: slot, span_ns: n * timeline.bin_ns, held, waiting, maxWaiting };
}

// A bin may lie across two columns: each takes its part.
function spread(out, from, to, value) {
  if (!value) return;
  const width = to - from;
  for (let c = Math.floor(from); c < Math.min(out.length, Math.ceil(to)); c++) {
    const part = Math.min(to, c + 1) - Math.max(from, c);
    if (part > 0) out[c] += (value * part) / width;
  }
}

// Round steps of 1, 2, 5 x 10^k: about `count` of them up to `max`.
export function ticks(max, count) {
  if (!(max > 0)) return [0];
  const raw = max / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const out = [];
  for (let i = 0; i * step <= max * 1.0001; i++) out.push(i * step);
  return out;
}

// The busiest moments, as rows of the chart's table.
export function bandRows(timeline, rows) {
  const band = layoutBand(timeline, rows);
  const out = [];
  for (let c = 0; c < band.n; c++) {
    out.push({ from_ns: c * band.slot_ns, to_ns: (c + 1) * band.slot_ns,
               held: band.held[c], waiting: band.waiting[c] });
  }
  return out;
}
