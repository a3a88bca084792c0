// SPDX-License-Identifier: MIT
// A chart of bytes over time: layers stacked, one reading as a line over them, a limit, and moments
// to point at.
import { el, cssVar, fitCanvas, frameOnce } from './dom.js';
import { fmtBytes } from './format.js';
import { layoutSeries, nearestSample, sampleBefore, byteTicks } from './layout_series.js';
import { drawYAxis, drawTimeAxis } from './draw_axes.js';
import { hatch } from './draw_hatch.js';

const LEFT = 66;
const RIGHT = 14;
const TOP = 10;
const PLOT = 200;
const HEIGHT = TOP + PLOT + 26;

function theme() {
  const v = (name) => cssVar(name);
  return { back: v('--surface'), grid: v('--line'), text: v('--muted'), line: v('--text'), event: v('--wait'), font: '11px ' + v('--font') };
}

function makeScale(box, series) {
  return { x: (i) => box.x + series.x[i] * box.width, y: (v) => box.y + box.height - (v / series.max) * box.height };
}

// Along values, or back along them; one that stays until the next makes stairs.
function edge(ctx, scale, values, step, back) {
  const n = values.length;
  for (let k = 0; k < n; k++) {
    const i = back ? n - 1 - k : k;
    if (step && !back && i) ctx.lineTo(scale.x(i), scale.y(values[i - 1]));
    ctx.lineTo(scale.x(i), scale.y(values[i]));
    if (step && back && i) ctx.lineTo(scale.x(i), scale.y(values[i - 1]));
  }
}

function drawLayers(ctx, c, scale, series, { layers, step }) {
  const ground = new Float64Array(series.samples.length);
  series.tops.forEach((top, k) => {
    const colour = cssVar(layers[k].colour);
    ctx.fillStyle = layers[k].hatched ? hatch(ctx, colour, c.back) : colour;
    ctx.beginPath();
    edge(ctx, scale, top, step, false);
    edge(ctx, scale, k ? series.tops[k - 1] : ground, step, true);
    ctx.fill();
  });
}

function drawLine(ctx, c, scale, series, { line, step }) {
  ctx.strokeStyle = c.line;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 3]);
  ctx.beginPath();
  edge(ctx, scale, series.samples.map((s) => s[line]), step, false);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.lineWidth = 1;
}

function drawLimit(ctx, c, box, y) {
  ctx.fillStyle = c.event;
  ctx.fillRect(box.x, Math.round(y) - 1, box.width, 2);
}

// A line down the chart, with a head so that it is no cursor.
function drawEvent(ctx, c, x) {
  ctx.fillStyle = c.event;
  ctx.fillRect(Math.round(x), TOP, 1.5, PLOT);
  ctx.beginPath();
  ctx.moveTo(x - 5, TOP - 4);
  ctx.lineTo(x + 6, TOP - 4);
  ctx.lineTo(x + 0.5, TOP + 6);
  ctx.fill();
}

// `marks`: moments to point at: the snapshot of the map, and the cursor.
function paint(canvas, series, width, spec, marks) {
  const ctx = fitCanvas(canvas, width, HEIGHT);
  const c = theme();
  const box = { x: LEFT, y: TOP, width: Math.max(10, width - LEFT - RIGHT), height: PLOT };
  const scale = makeScale(box, series);
  ctx.fillStyle = c.back;
  ctx.fillRect(0, 0, width, HEIGHT);
  drawYAxis(ctx, c, box, byteTicks(series.max, 5), series.max || 1, fmtBytes);
  if (series.max > 0) drawLayers(ctx, c, scale, series, spec);
  if (series.max > 0 && spec.line) drawLine(ctx, c, scale, series, spec);
  if (series.limit > 0) drawLimit(ctx, c, box, scale.y(series.limit));
  drawTimeAxis(ctx, c, box, series.span_ns);
  for (const { t_ns } of spec.events || []) drawEvent(ctx, c, box.x + Math.min(1, t_ns / (series.span_ns || 1)) * box.width);
  ctx.fillStyle = c.line;
  for (const at of marks) ctx.fillRect(Math.round(box.x + at * box.width), TOP, 1, PLOT);
}

// What happened between this sample and the next one.
function eventsAt(series, events, i) {
  return (events || []).filter((e) => sampleBefore(series.x, e.t_ns / (series.span_ns || 1)) === i).map((e) => e.text);
}

// spec: {samples, layers, line: key or null, step: values stay until the next one, limit, events:
// [{t_ns, text}], summary, words(sample): texts, the time first}. Returns {node, redraw, mark(t_ns):
// a line at that time}; keys move the cursor, so the values can be read without a mouse.
export function makeSeries(app, spec) {
  const canvas = el('canvas.series', { role: 'img', tabindex: 0, 'aria-label': spec.summary });
  const node = el('div.series-wrap', {}, canvas);
  const series = layoutSeries(spec.samples, spec.layers, spec.line, spec.limit);
  const pick = spec.step ? sampleBefore : nearestSample;
  const words = (i) => [...spec.words(series.samples[i]), ...eventsAt(series, spec.events, i)];
  let cursor = -1;
  let moment = -1;
  const plot = () => node.clientWidth - LEFT - RIGHT;
  const redraw = frameOnce(() => {
    const marks = [moment, cursor < 0 ? -1 : series.x[cursor]].filter((x) => x >= 0 && x <= 1);
    if (node.clientWidth) paint(canvas, series, node.clientWidth, spec, marks);
  });
  const leave = () => { cursor = -1; app.tooltip.hide(); redraw(); };
  const point = (i, x, y) => {
    cursor = i;
    app.tooltip.show(x, y, words(i).map((text, k) => el(k ? 'div' : 'strong', {}, text)));
    redraw();
  };
  canvas.addEventListener('pointermove', (e) => {
    const at = (e.offsetX - LEFT) / plot();
    if (at < -0.01 || at > 1.01) return leave();
    point(pick(series.x, at), e.clientX, e.clientY);
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
    app.announce(words(next).join(', '));
  });
  new ResizeObserver(redraw).observe(node);
  const mark = (t_ns) => { moment = series.span_ns > 0 ? t_ns / series.span_ns : -1; redraw(); };
  return { node, redraw, mark };
}
