// SPDX-License-Identifier: MIT
// The band chart: share of time the GIL was held above, mean number of waiting threads below.
import { el, cssVar, fitCanvas, frameOnce } from './dom.js';
import { fmtNs, fmtPct } from './format.js';
import { layoutBand } from './layout_band.js';
import { drawYAxis, drawTimeAxis } from './draw_axes.js';

const LEFT = 44;
const RIGHT = 12;
const TOP = 8;
const PLOT = 72;
const GAP = 22;
const AXIS = 24;
const HEIGHT = TOP + PLOT + GAP + PLOT + AXIS;

function theme() {
  const v = (name) => cssVar(name);
  return { back: v('--surface'), grid: v('--line'), text: v('--muted'), hold: v('--hold'),
           wait: v('--wait'), cursor: v('--text'), font: '11px ' + v('--font') };
}

function drawArea(ctx, box, values, max, colour) {
  const step = box.width / values.length;
  ctx.fillStyle = colour;
  for (let i = 0; i < values.length; i++) {
    const h = max > 0 ? (values[i] / max) * box.height : 0;
    if (h <= 0) continue;
    const x0 = Math.round(box.x + i * step); // whole pixels: no light seams between bins
    const x1 = Math.round(box.x + (i + 1) * step);
    ctx.fillRect(x0, box.y + box.height - h, Math.max(1, x1 - x0), h);
  }
}

function boxes(width) {
  const w = Math.max(10, width - LEFT - RIGHT);
  return [{ x: LEFT, y: TOP, width: w, height: PLOT },
          { x: LEFT, y: TOP + PLOT + GAP, width: w, height: PLOT }];
}

function paint(canvas, band, width, cursor) {
  const c = theme();
  const ctx = fitCanvas(canvas, width, HEIGHT);
  ctx.fillStyle = c.back;
  ctx.fillRect(0, 0, width, HEIGHT);
  const [upper, lower] = boxes(width);
  const most = Math.max(1, Math.ceil(band.maxWaiting));
  drawYAxis(ctx, c, upper, [0, 0.5, 1], 1, (v) => v * 100 + '\u00a0%');
  drawYAxis(ctx, c, lower, most % 2 ? [0, most] : [0, most / 2, most], most, (v) => String(v));
  drawArea(ctx, upper, band.held, 1, c.hold);
  drawArea(ctx, lower, band.waiting, most, c.wait);
  drawTimeAxis(ctx, c, lower, band.span_ns);
  if (cursor >= 0) {
    const x = LEFT + ((cursor + 0.5) / band.n) * upper.width;
    ctx.fillStyle = c.cursor;
    ctx.fillRect(Math.round(x), TOP, 1, 2 * PLOT + GAP);
  }
}

function describe(band, i) {
  return fmtNs(i * band.slot_ns) + ' – ' + fmtNs((i + 1) * band.slot_ns);
}

// Returns {node, redraw}; keys move the cursor, so the values can be read without a mouse.
export function makeBand(timeline, app, summary) {
  const canvas = el('canvas.band', { role: 'img', tabindex: 0, 'aria-label': summary });
  const node = el('div.band-wrap', {}, canvas);
  let band = null;
  let cursor = -1;
  const draw = () => {
    const width = node.clientWidth;
    if (!width) return;
    band = layoutBand(timeline, width - LEFT - RIGHT);
    paint(canvas, band, width, cursor);
  };
  const redraw = frameOnce(draw);
  const tell = (x, y) => app.tooltip.show(x, y,
    el('strong', {}, describe(band, cursor)),
    el('div', {}, 'GIL held ' + fmtPct(band.held[cursor], 1)),
    el('div', {}, band.waiting[cursor].toFixed(2) + ' threads waiting'));
  const leave = () => { cursor = -1; app.tooltip.hide(); redraw(); };
  canvas.addEventListener('pointermove', (e) => {
    const at = ((e.offsetX - LEFT) / (node.clientWidth - LEFT - RIGHT)) * band.n;
    if (at < 0 || at >= band.n) return leave();
    cursor = Math.floor(at);
    tell(e.clientX, e.clientY);
    redraw();
  });
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step || !band) return;
    e.preventDefault();
    cursor = Math.min(band.n - 1, Math.max(0, cursor + step * (e.shiftKey ? 20 : 1)));
    const box = canvas.getBoundingClientRect();
    tell(box.left + LEFT + (cursor / band.n) * (box.width - LEFT - RIGHT), box.top + TOP);
    app.announce(describe(band, cursor) + ', GIL held ' + fmtPct(band.held[cursor], 1) + ', ' +
                 band.waiting[cursor].toFixed(1) + ' threads waiting');
    redraw();
  });
  new ResizeObserver(redraw).observe(node);
  return { node, redraw };
}
