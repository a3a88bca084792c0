// SPDX-License-Identifier: MIT
// Speed-up over cores as places in a chart: doublings of cores are equally far apart. Pure.
import { ticks } from './layout_band.js';

const ROOM = 1.08; // above the highest

// The ceiling of many cores may be far above all else: it then leaves the chart.
const FAR = 2.5;

function topOf(points) {
  const values = (key) => points.map((p) => p[key]).filter((v) => v >= 0);
  const said = Math.max(1, ...values('p90'), ...values('p50'));
  const ceiling = Math.max(1, ...values('max'));
  return values('p50').length && ceiling > FAR * said ? FAR * said : ceiling;
}

// points: {cores, max, floor, p10, p50, p90} by cores. {points, x (0..1), max, marks}
export function layoutCurve(points) {
  const first = points.length ? Math.log2(points[0].cores) : 0;
  const span = points.length ? Math.log2(points[points.length - 1].cores) - first : 0;
  const max = topOf(points) * ROOM;
  return { points, x: points.map((p) => (span > 0 ? (Math.log2(p.cores) - first) / span : 0.5)), max, marks: ticks(max, 5) };
}

// The runs of points in a row that have the value.
export function runsOf(points, key) {
  const out = [];
  points.forEach((p, i) => {
    if (!(p[key] >= 0)) return;
    const last = out[out.length - 1];
    if (last && last[last.length - 1] === i - 1) last.push(i);
    else out.push([i]);
  });
  return out;
}
