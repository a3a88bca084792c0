// SPDX-License-Identifier: MIT
// Paints the boxes that layout_icicle.js chose. One fillStyle per colour, not per box: that is
// most of the cost of a canvas without a GPU.
import { N_COLOURS, COLOUR_ROOT, COLOUR_REST } from './colour.js';

export const ROW_PX = 22;
const LABEL_PX = 40;
const PAD = 6;

// Widths of names, measured once; a name is drawn thousands of times while panning.
export function makeLabels(font) {
  const probe = document.createElement('canvas').getContext('2d');
  probe.font = font;
  const widths = new Map();
  const measure = (s) => {
    let w = widths.get(s);
    if (w === undefined) {
      if (widths.size > 50000) widths.clear();
      widths.set(s, (w = probe.measureText(s).width));
    }
    return w;
  };
  return { font, measure, unit: probe.measureText('abcdefghij_mn').width / 13 };
}

// As much of `s` as fits into `room` pixels.
export function fitText(labels, s, room) {
  if (s.length * labels.unit * 0.6 < room && labels.measure(s) <= room) return s;
  let keep = Math.floor(room / labels.unit) - 1;
  if (keep < 2) return '';
  keep = Math.min(keep, s.length);
  while (keep > 1 && labels.measure(s.slice(0, keep) + '…') > room) keep--;
  return keep > 1 ? s.slice(0, keep) + '…' : '';
}

const FADED = N_COLOURS + 3;

function colourIndex(scene, boxes, i) {
  const node = boxes.node[i];
  if (node === 0) return COLOUR_ROOT;
  if (node < 0) return scene.mask ? FADED : COLOUR_REST;
  const frame = scene.tree.frame[node];
  return scene.mask && !scene.mask[frame] ? FADED : scene.colourOf[frame];
}

// Box indexes grouped by colour.
function bucketSort(scene, boxes) {
  const counts = new Int32Array(FADED + 2);
  const key = new Uint8Array(boxes.n);
  for (let i = 0; i < boxes.n; i++) {
    key[i] = colourIndex(scene, boxes, i);
    counts[key[i] + 1]++;
  }
  for (let c = 0; c <= FADED; c++) counts[c + 1] += counts[c];
  const order = new Int32Array(boxes.n);
  const at = counts.slice();
  for (let i = 0; i < boxes.n; i++) order[at[key[i]]++] = i;
  return { counts, order };
}

function fillBoxes(ctx, scene, boxes) {
  const { counts, order } = bucketSort(scene, boxes);
  for (let c = 0; c <= FADED; c++) {
    if (counts[c] === counts[c + 1]) continue;
    ctx.fillStyle = c === FADED ? scene.palette.faded : scene.palette.colours[c];
    for (let k = counts[c]; k < counts[c + 1]; k++) {
      const i = order[k];
      const gap = boxes.w[i] > 3 ? 1 : 0;
      ctx.fillRect(boxes.x[i], boxes.row[i] * ROW_PX - scene.scrollTop, boxes.w[i] - gap, ROW_PX - 1);
    }
  }
}

function drawLabels(ctx, scene, boxes) {
  ctx.font = scene.labels.font;
  ctx.textBaseline = 'middle';
  for (let i = 0; i < boxes.n; i++) {
    if (boxes.w[i] < LABEL_PX) continue;
    const y = boxes.row[i] * ROW_PX - scene.scrollTop + ROW_PX / 2;
    const node = boxes.node[i];
    if (node < 0) {
      drawText(ctx, scene, boxes, i, y, boxes.count[i] + ' small', scene.mutedText);
      continue;
    }
    const dim = scene.mask && node > 0 && !scene.mask[scene.tree.frame[node]];
    drawName(ctx, scene, boxes, i, y, node, dim);
  }
}

function drawText(ctx, scene, boxes, i, y, text, colour) {
  const fit = fitText(scene.labels, text, boxes.w[i] - 2 * PAD);
  ctx.fillStyle = colour;
  if (fit) ctx.fillText(fit, boxes.x[i] + PAD, y);
}

function drawName(ctx, scene, boxes, i, y, node, dim) {
  const room = boxes.w[i] - 2 * PAD;
  const name = scene.nameOf(node);
  const fit = fitText(scene.labels, name, room);
  if (!fit) return;
  ctx.fillStyle = dim ? scene.mutedText : scene.palette.text;
  ctx.fillText(fit, boxes.x[i] + PAD, y);
  if (fit !== name) return;
  const used = scene.labels.measure(name) + 8;
  const place = scene.placeOf(node);
  if (!place || used + scene.labels.measure(place) > room) return;
  ctx.globalAlpha = 0.8;
  ctx.fillText(place, boxes.x[i] + PAD + used, y);
  ctx.globalAlpha = 1;
}

function outline(ctx, scene, boxes, node, colour, width) {
  for (let i = 0; i < boxes.n; i++) {
    if (boxes.node[i] !== node) continue;
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    const half = width / 2;
    ctx.strokeRect(boxes.x[i] + half, boxes.row[i] * ROW_PX - scene.scrollTop + half,
                   Math.max(1, boxes.w[i] - width - 1), ROW_PX - width - 1);
    return;
  }
}

// scene: {tree, colourOf, palette, labels, mask, scrollTop, nameOf, placeOf, hover, selected, …}
export function drawIcicle(ctx, scene, boxes, width, height) {
  ctx.fillStyle = scene.background;
  ctx.fillRect(0, 0, width, height);
  fillBoxes(ctx, scene, boxes);
  drawLabels(ctx, scene, boxes);
  if (scene.hover >= 0) outline(ctx, scene, boxes, scene.hover, scene.text, 1);
  // The whole picture needs no frame around it, unless keys are what moves the selection.
  if (scene.selected > 0 || scene.focused) outline(ctx, scene, boxes, scene.selected, scene.accent, 2);
}
