// SPDX-License-Identifier: MIT
// Diagonal lines as a fill: what differs in more than its hue can be told apart without colours.

const tiles = new Map();

function tile(line, ground, ratio) {
  const canvas = document.createElement('canvas');
  const size = Math.max(4, Math.round(6 * ratio));
  canvas.width = canvas.height = size;
  const ctx = canvas.getContext('2d');
  ctx.fillStyle = ground;
  ctx.fillRect(0, 0, size, size);
  ctx.strokeStyle = line;
  ctx.lineWidth = size / 4;
  ctx.beginPath();
  for (const shift of [-size, 0, size]) { // the corners too, so that tiles meet
    ctx.moveTo(shift - 1, size + 1);
    ctx.lineTo(shift + size + 1, -1);
  }
  ctx.stroke();
  return canvas;
}

export function hatch(ctx, line, ground) {
  const ratio = window.devicePixelRatio || 1;
  const key = line + ground + ratio;
  if (!tiles.has(key)) tiles.set(key, tile(line, ground, ratio));
  const pattern = ctx.createPattern(tiles.get(key), 'repeat');
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}
