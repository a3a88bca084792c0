// SPDX-License-Identifier: MIT
// Stacked readings over time, and a line over them. Pure.

// From the ground up: {key of the sample, label, kind: class of its legend, colour, hatched}.
export const MEMORY_LAYERS = [
  { key: 'used', label: 'blocks in use', kind: 'used', colour: '--mem-used' },
  { key: 'free', label: 'free, in pools in use', kind: 'free', colour: '--mem-free' },
  { key: 'empty', label: 'free, whole pools', kind: 'empty', colour: '--mem-free', hatched: true },
  { key: 'over', label: 'headers and rounding', kind: 'over', colour: '--mem-over' },
];

// {samples, x (0..1), tops, span_ns, max, limit}; tops[k][i] is the sum of layers 0..k at sample i. One
// reading alone stands for the whole time. A limit far above all of it is left out (0), or nothing
// else could be seen.
export function layoutSeries(list, layers, lineKey, limit = 0) {
  const samples = list.length === 1 ? [list[0], list[0]] : list;
  const n = samples.length;
  const span = n ? samples[n - 1].t_ns : 0;
  const x = Float64Array.from(samples, (s, i) => (list.length === 1 ? i : span > 0 ? s.t_ns / span : 0));
  const tops = [];
  let max = 0;
  let below = new Float64Array(n);
  for (const { key } of layers) {
    const base = below;
    below = Float64Array.from(samples, (s, i) => base[i] + s[key]);
    tops.push(below);
  }
  for (let i = 0; i < n; i++) max = Math.max(max, below[i], lineKey ? samples[i][lineKey] : 0);
  const near = limit <= 4 * max ? limit : 0;
  return { samples, span_ns: span, x, tops, max: Math.max(max, near), limit: near };
}

export function nearestSample(x, at) {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (Math.abs(x[i] - at) < Math.abs(x[best] - at)) best = i;
  return best;
}

// The sample whose value holds at that time: the last one not after it.
export function sampleBefore(x, at) {
  let best = 0;
  for (let i = 1; i < x.length && x[i] <= at; i++) best = i;
  return best;
}

// Round steps of a power of two, as sizes are read: about `count` of them up to `max`.
export function byteTicks(max, count) {
  if (!(max > 0)) return [0];
  const step = 2 ** Math.ceil(Math.log2(max / Math.max(1, count)));
  const out = [];
  for (let i = 0; i * step <= max * 1.0001; i++) out.push(i * step);
  return out;
}

// At most `rows` of the samples, evenly, the last always.
export function thinned(samples, rows) {
  const step = Math.max(1, Math.ceil(samples.length / rows));
  return samples.filter((_, i) => i % step === 0 || i === samples.length - 1);
}
