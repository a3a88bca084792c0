// SPDX-License-Identifier: MIT
// Call trees ready to be laid out: hidden frames contracted, callers inverted, totals, children
// sorted heavy first, and the place of each node on the x axis (in the metric's own unit). Pure.

import { NATIVE, INLINED } from './model.js';

const BOOT_FILES = /^<frozen (?:importlib|runpy|zipimport)|\/runpy\.py$|\/importlib\/|\/multiprocessing\/(?:spawn|forkserver|popen_\w+)\.py$/;
const BOOT_FUNCS = [
  [/(?:^|\/)threading\.py$/, /(?:^|\.)(?:_bootstrap|_bootstrap_inner|run)$/],
  [/\/multiprocessing\/process\.py$/, /(?:^|\.)(?:_bootstrap|run)$/],
  [/\/concurrent\/futures\/thread\.py$/, /(?:^|\.)(?:_worker|run)$/],
  [/\/asyncio\/(?:runners|base_events|events)\.py$/, /(?:^|\.)(?:run|run_forever|run_until_complete|_run_once|_run)$/],
];

const BOOT_NATIVE = new RegExp('^(?:_start|main|_*libc_start_\\w+|Py_BytesMain|Py_RunMain|pymain_\\w+|start_thread|_*clone3?|' +
                               'pythread_wrapper|thread_run|t_bootstrap)(?:[.@].*)?$');
const isNative = (kind) => kind === NATIVE || kind === INLINED;

// Frames every stack of a thread begins with, which say nothing about the program.
export function startupFrames(frames) {
  const hide = new Uint8Array(frames.n);
  for (let f = 0; f < frames.n; f++) {
    const file = frames.file[f];
    if (frames.hasNative && BOOT_NATIVE.test(frames.func[f]) && isNative(frames.kind[f])) hide[f] = 1;
    if (BOOT_FILES.test(file)) hide[f] = 1;
    for (const [fileRe, funcRe] of BOOT_FUNCS) {
      if (fileRe.test(file) && funcRe.test(frames.func[f])) hide[f] = 1;
    }
  }
  return hide;
}

// A structure is {n, parent, frame, of}: `of` maps a node of the file to a node here (null: same).
export function wholeStructure(nodes) {
  return { n: nodes.n, parent: nodes.parent, frame: nodes.frame, of: null };
}

// Finds or adds the child of `up` with frame `f`. Open addressing over typed arrays: a Map of a
// million keys would cost more than everything else here together.
function makeTrie(limit) {
  let cap = 1024;
  let size = 4096;
  const t = { n: 1, parent: new Int32Array(cap), frame: new Int32Array(cap), child: null };
  let slots = new Int32Array(size).fill(-1);
  t.frame[0] = -1;
  const slot = (up, f) => {
    const h = Math.imul(up, 0x9e3779b1) ^ Math.imul(f + 1, 0x85ebca6b);
    return (h ^ (h >>> 15)) & (size - 1);
  };
  function place(id) {
    let h = slot(t.parent[id], t.frame[id]);
    while (slots[h] >= 0) h = (h + 1) & (size - 1);
    slots[h] = id;
  }
  function grow() {
    cap *= 2;
    const wider = (a) => { const b = new Int32Array(cap); b.set(a); return b; };
    t.parent = wider(t.parent);
    t.frame = wider(t.frame);
    size = cap * 4;
    slots = new Int32Array(size).fill(-1);
    for (let id = 1; id < t.n; id++) place(id);
  }
  t.child = (up, f) => {
    let h = slot(up, f);
    for (let id = slots[h]; id >= 0; id = slots[h]) {
      if (t.parent[id] === up && t.frame[id] === f) return id;
      h = (h + 1) & (size - 1);
    }
    if (t.n >= limit) throw new Error('too many stacks to show');
    if (t.n === cap) { grow(); return t.child(up, f); }
    t.parent[t.n] = up;
    t.frame[t.n] = f;
    slots[h] = t.n;
    return t.n++;
  };
  return t;
}

function trieArrays(t, of) {
  return { n: t.n, parent: t.parent.subarray(0, t.n), frame: t.frame.subarray(0, t.n), of };
}

// Takes frames out; what they called moves up, and siblings that become equal are merged.
export function contract(nodes, hide) {
  if (!nodes.frame.some((f) => f >= 0 && hide[f])) return wholeStructure(nodes);
  const of = new Int32Array(nodes.n);
  const trie = makeTrie(nodes.n + 1);
  for (let i = 1; i < nodes.n; i++) {
    const up = of[nodes.parent[i]];
    of[i] = hide[nodes.frame[i]] ? up : trie.child(up, nodes.frame[i]);
  }
  return trieArrays(trie, of);
}

// Self values of the file's nodes, summed onto a structure.
export function project(structure, self) {
  if (!structure.of) return self;
  const out = new Float64Array(structure.n);
  for (let i = 0; i < self.length; i++) out[structure.of[i]] += self[i];
  return out;
}

const INVERT_LIMIT = 4000000;

// Callers below callees. Level by level, so that a parent always has a smaller index. Paths of
// less than 1/100000 of the whole end at their innermost frame once a tree is large: they could
// not be seen, and there may be a million of them, each as deep as the stack.
export function invert(structure, self) {
  let total = 0;
  let n = 0;
  for (let i = 1; i < structure.n; i++) {
    if (self[i] > 0) n++;
    total += self[i];
  }
  const trie = makeTrie(INVERT_LIMIT);
  let at = new Int32Array(n); // node whose frame comes next
  let under = new Int32Array(n);
  let weight = new Float64Array(n);
  n = 0;
  for (let i = 1; i < structure.n; i++) {
    if (self[i] > 0) {
      at[n] = i;
      weight[n++] = self[i];
    }
  }
  const least = structure.n > 200000 ? total / 1e5 : 0;
  let sums = new Float64Array(1024);
  let ends = new Float64Array(1024);
  ends[0] = self[0];
  while (n > 0) {
    for (let i = 0; i < n; i++) under[i] = trie.child(under[i], structure.frame[at[i]]);
    if (sums.length < trie.n) {
      const wider = (a) => { const b = new Float64Array(trie.n * 2); b.set(a); return b; };
      sums = wider(sums);
      ends = wider(ends);
    }
    for (let i = 0; i < n; i++) sums[under[i]] += weight[i];
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const up = structure.parent[at[i]];
      if (up > 0 && sums[under[i]] >= least) {
        at[kept] = up;
        under[kept] = under[i];
        weight[kept++] = weight[i];
      } else {
        ends[under[i]] += weight[i];
      }
    }
    n = kept;
  }
  return { structure: trieArrays(trie, null), self: ends.slice(0, trie.n) };
}

// Children of each node with a value, heavy first; ties by frame, so that a picture is stable.
function childLists(n, parent, frame, total) {
  const start = new Int32Array(n + 1);
  for (let i = 1; i < n; i++) if (total[i] > 0) start[parent[i] + 1]++;
  for (let i = 0; i < n; i++) start[i + 1] += start[i];
  const fill = start.slice(0, n);
  const list = new Int32Array(start[n]);
  for (let i = 1; i < n; i++) if (total[i] > 0) list[fill[parent[i]]++] = i;
  const heavier = (a, b) => total[b] - total[a] || frame[a] - frame[b] || a - b;
  for (let i = 0; i < n; i++) {
    const from = start[i];
    const to = start[i + 1];
    if (to - from === 2) {
      if (heavier(list[from], list[from + 1]) > 0) {
        const t = list[from];
        list[from] = list[from + 1];
        list[from + 1] = t;
      }
    } else if (to - from > 2) {
      list.subarray(from, to).sort(heavier);
    }
  }
  return { start, list };
}

// Adds what drawing needs: totals, sorted children, depth, and x, the node's left edge.
export function finishTree(structure, self) {
  const { n, parent, frame } = structure;
  const total = Float64Array.from(self);
  for (let i = n - 1; i > 0; i--) total[parent[i]] += total[i];
  const { start, list } = childLists(n, parent, frame, total);
  const x = new Float64Array(n);
  const depth = new Int32Array(n);
  let maxDepth = 0;
  for (let i = 0; i < n; i++) {
    let left = x[i];
    for (let k = start[i]; k < start[i + 1]; k++) {
      const c = list[k];
      x[c] = left;
      left += total[c];
      depth[c] = depth[i] + 1;
      if (depth[c] > maxDepth) maxDepth = depth[c];
    }
  }
  return { n, parent, frame, of: structure.of, self, total, start, list, x, depth, maxDepth };
}

export function pathTo(tree, node) {
  const out = [];
  for (let i = node; i > 0; i = tree.parent[i]) out.push(i);
  return out.reverse();
}

// Sum of `values` (self values, by node of the tree) below and at a node.
export function sumBelow(tree, values, node) {
  let sum = 0;
  const stack = [node];
  while (stack.length) {
    const i = stack.pop();
    sum += values[i];
    for (let k = tree.start[i]; k < tree.start[i + 1]; k++) stack.push(tree.list[k]);
  }
  return sum;
}

// One row per frame below `from`: self, and total counted once where a function calls itself.
export function frameTable(tree, from) {
  const rows = new Map();
  const open = new Map();
  const stack = [from];
  while (stack.length) {
    const i = stack.pop();
    if (i < 0) { // leaving the node ~i
      const f = tree.frame[~i];
      open.set(f, open.get(f) - 1);
      continue;
    }
    const f = tree.frame[i];
    if (f >= 0) addFrame(rows, open, tree, i, f);
    if (f >= 0) stack.push(~i);
    for (let k = tree.start[i]; k < tree.start[i + 1]; k++) stack.push(tree.list[k]);
  }
  return [...rows.values()];
}

function addFrame(rows, open, tree, i, f) {
  let row = rows.get(f);
  if (!row) rows.set(f, (row = { frame: f, self: 0, total: 0, node: i }));
  const depth = open.get(f) || 0;
  open.set(f, depth + 1);
  row.self += tree.self[i];
  if (depth === 0) row.total += tree.total[i];
  if (tree.total[i] > tree.total[row.node]) row.node = i;
}
