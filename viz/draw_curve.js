// SPDX-License-Identifier: MIT
// A chart of speed-up over cores: the range as a band, what is most likely as a line, the ceiling and
// the floor dashed, as fast as now, and from how many cores on it is worth it.
import { el, cssVar, fitCanvas, frameOnce } from './dom.js';
import { layoutCurve, runsOf } from './layout_curve.js';
import { nearestSample } from './layout_series.js';
import { drawYAxis } from './draw_axes.js';

const LEFT = 48;
const RIGHT = 24;
const TOP = 14;
const PLOT = 230;
const HEIGHT = TOP + PLOT + 44;

function theme() {
  const v = (name) => cssVar(name);
  return { back: v('--surface'), grid: v('--line'), text: v('--muted'), line: v('--hold'), band: v('--hold-soft'), ceiling: v('--wait'),
           floor: v('--alloc'), ink: v('--text'), font: '11px ' + v('--font') };
}

function path(ctx, scale, points, run, key) {
  ctx.beginPath();
  run.forEach((i, k) => ctx[k ? 'lineTo' : 'moveTo'](scale.x(i), scale.y(points[i][key])));
}

function drawBand(ctx, c, scale, { points }) {
  ctx.fillStyle = c.band;
  for (const run of runsOf(points, 'p10')) {
    ctx.beginPath();
    run.forEach((i, k) => ctx[k ? 'lineTo' : 'moveTo'](scale.x(i), scale.y(points[i].p90)));
    [...run].reverse().forEach((i) => ctx.lineTo(scale.x(i), scale.y(points[i].p10)));
    ctx.fill();
    if (run.length > 1) continue;
    ctx.fillRect(scale.x(run[0]) - 5, scale.y(points[run[0]].p90), 10, scale.y(points[run[0]].p10) - scale.y(points[run[0]].p90));
  }
}

function drawLine(ctx, colour, scale, { points }, key, dash) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = dash.length ? 1.5 : 2.5;
  ctx.setLineDash(dash);
  for (const run of runsOf(points, key)) {
    path(ctx, scale, points, run, key);
    ctx.stroke();
    if (run.length > 1 || !dash.length) continue;
    ctx.strokeRect(scale.x(run[0]) - 12, scale.y(points[run[0]][key]), 24, 0);
  }
  ctx.setLineDash([]);
  ctx.lineWidth = 1;
}

function drawDots(ctx, c, scale, { points }) {
  for (const run of runsOf(points, 'p50')) {
    for (const i of run) {
      ctx.beginPath();
      ctx.arc(scale.x(i), scale.y(points[i].p50), 4, 0, 2 * Math.PI);
      ctx.fillStyle = c.line;
      ctx.fill();
      ctx.strokeStyle = c.back;
      ctx.stroke();
    }
  }
}

function drawCores(ctx, c, box, scale, { points }) {
  ctx.fillStyle = c.text;
  ctx.font = c.font;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'top';
  let free = -Infinity;
  points.forEach((p, i) => {
    const text = String(p.cores);
    const half = ctx.measureText(text).width / 2;
    if (scale.x(i) - half < free) return;
    ctx.fillText(text, scale.x(i), box.y + box.height + 8);
    free = scale.x(i) + half + 6;
  });
  ctx.fillText('cores', box.x + box.width / 2, box.y + box.height + 25);
  ctx.textAlign = 'left';
}

// As fast as with the GIL: above is gain.
function drawEven(ctx, c, box, y) {
  ctx.fillStyle = c.ink;
  ctx.fillRect(box.x, Math.round(y), box.width, 1);
  ctx.textBaseline = 'top';
  ctx.textAlign = 'right';
  ctx.fillText('as fast as now', box.x + box.width - 4, y + 4);
  ctx.textAlign = 'left';
}

// The first number of cores that nine of ten draws gain on.
function drawBreakEven(ctx, c, box, x) {
  ctx.fillStyle = c.floor;
  ctx.fillRect(Math.round(x) - 0.75, box.y, 1.5, box.height);
  ctx.beginPath();
  ctx.moveTo(x - 5, box.y - 8);
  ctx.lineTo(x + 5, box.y - 8);
  ctx.lineTo(x, box.y + 1);
  ctx.fill();
}

function clip(ctx, box) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.x - 14, box.y - 1, box.width + 28, box.height + 2);
  ctx.clip();
}

function paint(canvas, curve, width, breakEven, cursor) {
  const ctx = fitCanvas(canvas, width, HEIGHT);
  const c = theme();
  const box = { x: LEFT, y: TOP, width: Math.max(10, width - LEFT - RIGHT), height: PLOT };
  const scale = { x: (i) => box.x + curve.x[i] * box.width, y: (v) => box.y + box.height - (v / curve.max) * box.height };
  ctx.fillStyle = c.back;
  ctx.fillRect(0, 0, width, HEIGHT);
  drawYAxis(ctx, c, box, curve.marks, curve.max, (m) => (Number.isInteger(m) ? m : m.toFixed(1)) + '×');
  clip(ctx, box);
  drawBand(ctx, c, scale, curve);
  drawLine(ctx, c.ceiling, scale, curve, 'max', [6, 4]);
  drawLine(ctx, c.floor, scale, curve, 'floor', [2, 3]);
  drawEven(ctx, c, box, scale.y(1));
  drawLine(ctx, c.line, scale, curve, 'p50', []);
  drawDots(ctx, c, scale, curve);
  ctx.restore();
  drawCores(ctx, c, box, scale, curve);
  if (breakEven >= 0) drawBreakEven(ctx, c, box, scale.x(breakEven));
  ctx.fillStyle = c.ink;
  if (cursor >= 0) ctx.fillRect(Math.round(scale.x(cursor)), TOP, 1, PLOT);
}

// spec: {points, breakEven: index or -1, summary, words(point): texts, the cores first}. Returns {node,
// redraw}; keys move the cursor from one number of cores to the next.
export function makeCurve(app, spec) {
  const canvas = el('canvas.curve', { role: 'img', tabindex: 0, 'aria-label': spec.summary });
  const node = el('div.curve-wrap', {}, canvas);
  const curve = layoutCurve(spec.points);
  let cursor = -1;
  const plot = () => node.clientWidth - LEFT - RIGHT;
  const redraw = frameOnce(() => { if (node.clientWidth) paint(canvas, curve, node.clientWidth, spec.breakEven, cursor); });
  const leave = () => { cursor = -1; app.tooltip.hide(); redraw(); };
  const point = (i, x, y) => {
    cursor = i;
    app.tooltip.show(x, y, spec.words(curve.points[i]).map((text, k) => el(k ? 'div' : 'strong', {}, text)));
    redraw();
  };
  canvas.addEventListener('pointermove', (e) => {
    const at = (e.offsetX - LEFT) / plot();
    if (at < -0.05 || at > 1.05) return leave();
    point(nearestSample(curve.x, at), e.clientX, e.clientY);
  });
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    const next = Math.min(curve.points.length - 1, Math.max(0, cursor + step));
    const box = canvas.getBoundingClientRect();
    point(next, box.left + LEFT + curve.x[next] * plot(), box.top + TOP);
    app.announce(spec.words(curve.points[next]).join(', '));
  });
  new ResizeObserver(redraw).observe(node);
  return { node, redraw };
}
