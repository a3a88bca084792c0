// SPDX-License-Identifier: MIT
// Which tree the flame page shows for a state, with the last ones kept: switching a metric back
// must not cost a second. Pure.
import { selfWeights } from './model.js';
import { startupFrames, wholeStructure, contract, project, invert, finishTree } from './tree.js';

const KEEP = 4;

export function makeTreeSource(model) {
  const structures = new Map();
  const trees = new Map();

  function structure(startup) {
    if (!structures.has(startup)) {
      structures.set(startup, startup ? wholeStructure(model.nodes)
                                      : contract(model.nodes, startupFrames(model.frames)));
    }
    return structures.get(startup);
  }

  function build(s) {
    const shape = structure(s.startup);
    const m = model.metrics[s.metric];
    const self = project(shape, selfWeights(model, m.rows, m.column, s.process, s.thread));
    if (!s.invert) return finishTree(shape, self);
    const turned = invert(shape, self);
    return finishTree(turned.structure, turned.self);
  }

  // Self values of another column of its table (turn counts, the estimated part) on an upright tree.
  function column(s, name) {
    return project(structure(s.startup), selfWeights(model, model.metrics[s.metric].rows, name, s.process, s.thread));
  }

  function tree(s) {
    const key = [s.metric, s.process, s.thread, s.invert, s.startup].join();
    let t = trees.get(key);
    if (!t) {
      t = build(s);
      if (trees.size >= KEEP) trees.delete(trees.keys().next().value);
      trees.set(key, t);
    }
    return t;
  }

  return { tree, column };
}

// A node of the file -> the node of this tree that shows it; 0 where it has no value here.
export function shownNode(tree, node) {
  let i = tree.of ? tree.of[node] : node;
  if (!(i > 0 && i < tree.n)) return 0;
  while (i > 0 && !(tree.total[i] > 0)) i = tree.parent[i];
  return i;
}
