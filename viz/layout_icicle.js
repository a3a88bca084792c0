// SPDX-License-Identifier: MIT
// Which boxes of a call tree are on screen, and where. Pure. Children are sorted heavy first, so
// from the first child below a pixel on, all further siblings are one grey box: the work is bound
// by the pixels, never by the tree.

// A growable list of boxes; node -1 stands for "many small ones" below `up`.
export function makeBoxes() {
  return { n: 0, cap: 0, node: null, up: null, x: null, w: null, row: null, count: null };
}

function grow(b) {
  b.cap = Math.max(4096, b.cap * 2);
  for (const k of ['node', 'up', 'row', 'count']) b[k] = wider(b[k], new Int32Array(b.cap));
  for (const k of ['x', 'w']) b[k] = wider(b[k], new Float32Array(b.cap));
}

function wider(old, fresh) {
  if (old) fresh.set(old);
  return fresh;
}

function push(b, node, up, x, w, row, count) {
  if (b.n === b.cap) grow(b);
  const i = b.n++;
  b.node[i] = node;
  b.up[i] = up;
  b.x[i] = x;
  b.w[i] = w;
  b.row[i] = row;
  b.count[i] = count;
}

// First child of `node` whose right edge is past `at`; children lie left to right without gaps.
export function firstChildPast(tree, node, at) {
  let lo = tree.start[node];
  let hi = tree.start[node + 1];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    const c = tree.list[mid];
    if (tree.x[c] + tree.total[c] > at) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

// view: {x0, x1} in the tree's unit, {width, minPx} in pixels, {row0, row1} rows to emit.
export function layoutIcicle(tree, view, boxes) {
  boxes.n = 0;
  const span = view.x1 - view.x0;
  if (!(span > 0) || !(tree.total[0] > 0) || !(view.width > 0)) return boxes;
  const scale = view.width / span;
  const edge = (v) => Math.min(view.width, Math.max(0, (v - view.x0) * scale));
  if (view.row0 <= 0) {
    const right = edge(tree.x[0] + tree.total[0]);
    push(boxes, 0, -1, edge(tree.x[0]), right - edge(tree.x[0]), 0, 1);
  }
  const stack = [0];
  while (stack.length) {
    const node = stack.pop();
    const row = tree.depth[node] + 1;
    if (row > view.row1) continue;
    layoutChildren(tree, view, boxes, node, row, scale, edge, stack);
  }
  return boxes;
}

function layoutChildren(tree, view, boxes, node, row, scale, edge, stack) {
  const end = tree.start[node + 1];
  for (let k = firstChildPast(tree, node, view.x0); k < end; k++) {
    const c = tree.list[k];
    if (tree.x[c] >= view.x1) return;
    if (tree.total[c] * scale < view.minPx) {
      pushRest(tree, view, boxes, node, row, edge, k, end);
      return;
    }
    const x = edge(tree.x[c]);
    if (row >= view.row0) push(boxes, c, node, x, edge(tree.x[c] + tree.total[c]) - x, row, 1);
    stack.push(c);
  }
}

function pushRest(tree, view, boxes, node, row, edge, k, end) {
  if (row < view.row0) return;
  const last = tree.list[end - 1];
  const x = edge(tree.x[tree.list[k]]);
  const w = edge(tree.x[last] + tree.total[last]) - x;
  if (w > 0.2) push(boxes, -1, node, x, w, row, end - k);
}

// The node at a place of the picture: `at` in the tree's unit. -1 where there is none.
export function nodeAt(tree, at, row) {
  if (!(at >= tree.x[0] && at < tree.x[0] + tree.total[0])) return -1;
  let node = 0;
  for (let r = 0; r < row; r++) {
    const k = firstChildPast(tree, node, at);
    if (k >= tree.start[node + 1] || tree.x[tree.list[k]] > at) return -1;
    node = tree.list[k];
  }
  return node;
}

// Position among the siblings, for arrow keys and screen readers.
export function siblings(tree, node) {
  if (node <= 0) return { index: 0, count: 1, prev: -1, next: -1 };
  const from = tree.start[tree.parent[node]];
  const to = tree.start[tree.parent[node] + 1];
  const k = firstChildPast(tree, tree.parent[node], tree.x[node] + tree.total[node] / 2);
  return {
    index: k - from,
    count: to - from,
    prev: k > from ? tree.list[k - 1] : -1,
    next: k + 1 < to ? tree.list[k + 1] : -1,
  };
}

// Zooming and panning keep the window inside the tree, and no deeper than floats can tell apart.
export function clampWindow(tree, x0, x1) {
  const whole = tree.total[0];
  const span = Math.min(whole, Math.max(x1 - x0, whole * 1e-9, 1));
  const mid = (x0 + x1) / 2;
  const left = Math.min(Math.max(0, mid - span / 2), whole - span);
  return { x0: left, x1: left + span };
}
