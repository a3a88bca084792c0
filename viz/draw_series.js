// SPDX-License-Identifier: MIT
// The chart of memory over time: what arenas are made of, stacked, and the resident size as a line.
import { el, cssVar, fitCanvas, frameOnce } from './dom.js';
import { fmtNs, fmtBytes } from './format.js';
import { MEMORY_LAYERS, layoutSeries, nearestSample, byteTicks } from './layout_series.js';
import { drawYAxis, drawTimeAxis } from './draw_axes.js';
import { hatch } from './draw_hatch.js';

const LEFT = 66;
const RIGHT = 14;
const TOP = 10;
const PLOT = 200;
const HEIGHT = TOP + PLOT + 26;

function theme(ctx) {
  const v = (name) => cssVar(name);
  const back = v('--surface');
  return { back, grid: v('--line'), text: v('--muted'), line: v('--text'), font: '11px ' + v('--font'),
           used: v('--mem-used'), free: v('--mem-free'), empty: hatch(ctx, v('--mem-free'), back), over: v('--mem-over') };
}

function drawLayers(ctx, c, box, series) {
  const x = (i) => box.x + series.x[i] * box.width;
  const y = (v) => box.y + box.height - (v / series.max) * box.height;
  const n = series.samples.length;
  series.tops.forEach((top, k) => {
    const base = k ? series.tops[k - 1] : null;
    ctx.fillStyle = c[MEMORY_LAYERS[k].kind];
    ctx.beginPath();
    for (let i = 0; i < n; i++) ctx.lineTo(x(i), y(top[i]));
    for (let i = n - 1; i >= 0; i--) ctx.lineTo(x(i), y(base ? base[i] : 0));
    ctx.fill();
  });
  ctx.strokeStyle = c.line;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 3]);
  ctx.beginPath();
  for (let i = 0; i < n; i++) ctx.lineTo(x(i), y(series.samples[i].rss_bytes));
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.lineWidth = 1;
}

// `marks`: moments to point at: the snapshot of the map, and the cursor.
function paint(canvas, series, width, marks) {
  const ctx = fitCanvas(canvas, width, HEIGHT);
  const c = theme(ctx);
  const box = { x: LEFT, y: TOP, width: Math.max(10, width - LEFT - RIGHT), height: PLOT };
  ctx.fillStyle = c.back;
  ctx.fillRect(0, 0, width, HEIGHT);
  drawYAxis(ctx, c, box, byteTicks(series.max, 5), series.max || 1, fmtBytes);
  if (series.max > 0) drawLayers(ctx, c, box, series);
  drawTimeAxis(ctx, c, box, series.span_ns);
  ctx.fillStyle = c.line;
  for (const at of marks) ctx.fillRect(Math.round(box.x + at * box.width), TOP, 1, PLOT);
}

// A sample in words, the time first.
function sampleLines(s, layers) {
  const lines = [fmtNs(s.t_ns), fmtBytes(s.rss_bytes) + ' resident'];
  if (layers.length) lines.push(fmtBytes(s.arena_bytes) + ' arenas');
  return lines.concat([...layers].reverse().map(({ key, label }) => fmtBytes(s[key]) + ' ' + label));
}

// Returns {node, redraw, mark(t_ns): a line at that time}; keys move the cursor, so the values can be read without a mouse.
export function makeSeries(app, samples, layers, summary) {
  const canvas = el('canvas.series', { role: 'img', tabindex: 0, 'aria-label': summary });
  const node = el('div.series-wrap', {}, canvas);
  const series = layoutSeries(samples, layers, 'rss_bytes');
  let cursor = -1;
  let moment = -1;
  const plot = () => node.clientWidth - LEFT - RIGHT;
  const redraw = frameOnce(() => {
    const marks = [moment, cursor < 0 ? -1 : series.x[cursor]].filter((x) => x >= 0 && x <= 1);
    if (node.clientWidth) paint(canvas, series, node.clientWidth, marks);
  });
  const leave = () => { cursor = -1; app.tooltip.hide(); redraw(); };
  const point = (i, x, y) => {
    cursor = i;
    app.tooltip.show(x, y, sampleLines(series.samples[i], layers).map((text, k) => el(k ? 'div' : 'strong', {}, text)));
    redraw();
  };
  canvas.addEventListener('pointermove', (e) => {
    const at = (e.offsetX - LEFT) / plot();
    if (at < -0.01 || at > 1.01) return leave();
    point(nearestSample(series.x, at), e.clientX, e.clientY);
  });
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    const next = Math.min(series.samples.length - 1, Math.max(0, cursor + step * (e.shiftKey ? 20 : 1)));
    const box = canvas.getBoundingClientRect();
    point(next, box.left + LEFT + series.x[next] * plot(), box.top + TOP);
    app.announce(sampleLines(series.samples[next], layers).join(', '));
  });
  new ResizeObserver(redraw).observe(node);
  const mark = (t_ns) => { moment = series.span_ns > 0 ? t_ns / series.span_ns : -1; redraw(); };
  return { node, redraw, mark };
}
