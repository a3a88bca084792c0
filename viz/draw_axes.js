// SPDX-License-Identifier: MIT
// The axes of a chart over time. `c` is {font, grid, text}, `box` the plot's place.
import { fmtNs } from './format.js';
import { ticks } from './layout_band.js';

export function drawYAxis(ctx, c, box, marks, max, print) {
  ctx.font = c.font;
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  for (const m of marks) {
    const y = Math.round(box.y + box.height - (m / max) * box.height) + 0.5;
    ctx.strokeStyle = c.grid;
    ctx.beginPath();
    ctx.moveTo(box.x, y);
    ctx.lineTo(box.x + box.width, y);
    ctx.stroke();
    ctx.fillStyle = c.text;
    ctx.fillText(print(m), box.x - 7, y);
  }
  ctx.textAlign = 'left';
  ctx.textBaseline = 'alphabetic';
}

export function drawTimeAxis(ctx, c, box, span) {
  ctx.fillStyle = c.text;
  ctx.textBaseline = 'top';
  const marks = ticks(span, Math.max(2, box.width / 120));
  marks.forEach((t, i) => {
    const x = box.x + (t / span) * box.width;
    ctx.textAlign = i === 0 ? 'left' : x > box.x + box.width - 30 ? 'right' : 'center';
    ctx.fillText(fmtNs(t), x, box.y + box.height + 8);
  });
  ctx.textAlign = 'left';
}
