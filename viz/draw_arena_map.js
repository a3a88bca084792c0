// SPDX-License-Identifier: MIT
// Paints the rows of the arena map that are in view: hue is the size class, strength the fill,
// an outline a pool never used, hatching an emptied one.
import { POOLS } from './memory_model.js';
import { FILL_STEPS, fillStep } from './colour.js';
import { fmtAddress, fmtBytes } from './format.js';
import { cellAt } from './arena_replay.js';
import { ARENA_ROW_PX, ARENA_LEFT, ARENA_RIGHT, visibleRows } from './layout_arena_map.js';

const BAR = ARENA_RIGHT - 12;

function drawCells(ctx, scene, arena, y) {
  const { edges, palette, replay } = scene;
  const pools = replay.map.arenas.pools[arena];
  for (let p = 0; p < pools; p++) {
    const cell = cellAt(replay, arena, p);
    const x = edges[p];
    const w = Math.max(1, edges[p + 1] - x - 1);
    if (cell.state === 'never') {
      ctx.strokeStyle = scene.outline;
      ctx.strokeRect(x + 0.5, y + 0.5, Math.max(0, w - 1), ARENA_ROW_PX - 3);
    } else {
      const index = (cell.size_class - 1) * FILL_STEPS + fillStep(cell.used, cell.total);
      ctx.fillStyle = cell.state === 'emptied' ? scene.emptied : palette[index];
      ctx.fillRect(x, y, w, ARENA_ROW_PX - 2);
    }
  }
}

// What would go back to the system, as a bar beside the row and in figures.
function drawFree(ctx, scene, arena, y) {
  const { replay } = scene;
  const x = scene.edges[POOLS] + 8;
  const whole = replay.used[arena] + replay.free[arena];
  ctx.fillStyle = scene.bar;
  if (whole > 0) ctx.fillRect(x, y, (replay.free[arena] / whole) * BAR, ARENA_ROW_PX - 2);
  ctx.fillStyle = scene.text;
  ctx.textAlign = 'right';
  ctx.fillText(fmtBytes(replay.free[arena]), x + BAR - 4, y + ARENA_ROW_PX / 2 - 0.5);
}

function drawRow(ctx, scene, row, y) {
  const arena = scene.rows[row];
  ctx.font = scene.mono;
  ctx.textAlign = 'left';
  ctx.fillStyle = arena === scene.selected ? scene.text : scene.muted;
  ctx.fillText(fmtAddress(scene.replay.map.arenas.address[arena]), 4, y + ARENA_ROW_PX / 2 - 0.5, ARENA_LEFT - 10);
  drawCells(ctx, scene, arena, y);
  ctx.font = scene.font;
  drawFree(ctx, scene, arena, y);
}

function drawMarks(ctx, scene, width, top) {
  const chosen = scene.rows.indexOf(scene.selected);
  ctx.lineWidth = 2;
  ctx.strokeStyle = scene.accent;
  if (chosen >= 0) ctx.strokeRect(1, top(chosen) - 1, width - 2, ARENA_ROW_PX);
  const { hit } = scene;
  if (hit && hit.pool >= 0) {
    const x = scene.edges[hit.pool];
    ctx.strokeStyle = scene.text;
    ctx.strokeRect(x, top(hit.row), scene.edges[hit.pool + 1] - x - 1, ARENA_ROW_PX - 2);
  }
  ctx.lineWidth = 1;
}

// scene: {replay, rows, edges, palette, selected, hit, scrollTop, and the theme's colours and fonts}
export function drawArenaMap(ctx, scene, width, height) {
  ctx.fillStyle = scene.back;
  ctx.fillRect(0, 0, width, height);
  ctx.textBaseline = 'middle';
  ctx.lineWidth = 1;
  const top = (row) => row * ARENA_ROW_PX - scene.scrollTop + 1;
  const { first, last } = visibleRows(scene.rows.length, scene.scrollTop, height);
  for (let row = first; row < last; row++) drawRow(ctx, scene, row, top(row));
  drawMarks(ctx, scene, width, top);
  ctx.textAlign = 'left';
}
