// SPDX-License-Identifier: MIT
// What is known about the selected box, beside the picture: exact numbers and the way down.
import { el, fillWith } from './dom.js';
import { fmtPct, fmtCount } from './format.js';
import { FRAME_KINDS, frameName, framePath, isSynthetic } from './model.js';
import { STATES, STATE_LABELS } from './counters_model.js';
import { sumBelow } from './tree.js';
import { barCell } from './table.js';

const CALLEES = 6;
const COUNTED = { wait: 'Waits', hold: 'Turns', alloc: 'Blocks', cuda: 'Allocations', cudapeak: 'Allocations', cudaheld: 'Calls', cudablame: 'Calls' };

const SYNTHETIC = {
  '(not sampled)': 'Held without anybody waiting, and no sample fell here.',
  '(no stack)': 'No Python frame was running.',
  '(truncated)': 'The stack was deeper than what is recorded.',
  '(lost)': 'The record of this stack was lost.',
  '(no native stack)': 'No native stack was taken here.',
  '(unknown)': 'What Python ran is not known.',
  '(before the detail)': 'Older than the recording kept stacks for; only its sum is known.',
};

const isEvent = (page) => page.app.model.counted.has(page.metric.rows);

function aboutOf(page, f) {
  const { frames } = page.app.model;
  if (!isSynthetic(frames, f)) return '';
  const memory = page.metric.rows === 'alloc';
  if (page.metric.rows === 'cudaHeld' && frames.func[f] === '(not sampled)') return 'Calls too short to have a row each.';
  if (memory && frames.func[f] === '(not sampled)') return 'No allocation in these arenas was sampled.';
  return SYNTHETIC[frames.func[f]] || '';
}

const KIND_NAMES = { native: 'native', inlined: 'native, inlined into its caller' };

// Where a native frame comes from: module, and the lowest of its addresses in it.
function nativeFacts(frames, f) {
  const name = f >= 0 ? KIND_NAMES[FRAME_KINDS[frames.kind[f]]] : undefined;
  if (!name) return null;
  return [pair('Kind', name),
          pair('Module', frames.module[f] ? el('span.mono.path', {}, frames.module[f]) : 'code made at run time'),
          frames.address[f] ? pair('Address', el('span.mono', {}, frames.address[f]), 'In the module; the lowest one of this line') : null];
}

function pair(label, value, title) {
  return [el('dt', {}, label), el('dd', { title: title || null }, value)];
}

// The root's own time is that of the startup frames left out of the picture.
function selfValue(page, n) {
  const self = page.tree.self[n];
  if (page.app.state.invert || (n === 0 && !self)) return null;
  const m = page.metric;
  return pair(n ? 'Self' : 'In hidden frames', m.fmt(self), m.exact(self));
}

function extraValues(page, node) {
  const s = page.app.state;
  if (s.invert) return [];
  const m = page.metric;
  const out = [];
  if (m.count) {
    const n = sumBelow(page.tree, page.source.column(s, m.count), node);
    out.push(pair(COUNTED[s.metric], fmtCount(n)));
  }
  if (s.metric === 'alloc') {
    const pinned = sumBelow(page.tree, page.source.column(s, 'pinned'), node);
    out.push(pair('Pins', m.fmt(pinned), 'Free memory that its blocks keep from the system'));
  }
  if (isEvent(page)) {
    for (const k of STATES) out.push(pair(STATE_LABELS[k], m.fmt(sumBelow(page.tree, page.source.column(s, k), node))));
  }
  if (s.metric === 'hold' || isEvent(page)) {
    const est = sumBelow(page.tree, page.source.column(s, isEvent(page) ? 'estimated' : 'hold_est'), node);
    if (est > 0) {
      out.push(pair('Estimated', m.fmt(est) + ' · ' + fmtPct(est, page.tree.total[node]),
                    'Exact in total per thread; spread over stacks by samples'));
    }
  }
  return out;
}

function calleeList(page, node) {
  const { tree } = page;
  const from = tree.start[node];
  const to = tree.start[node + 1];
  if (from === to) return null;
  const { frames } = page.app.model;
  const items = [];
  for (let k = from; k < Math.min(to, from + CALLEES); k++) {
    const c = tree.list[k];
    items.push(el('li', {}, el('button', { type: 'button', onclick: () => page.zoom(c) },
      barCell(el('span.callee', {}, el('span', {}, frameName(frames, tree.frame[c])),
                 el('span.num', {}, fmtPct(tree.total[c], tree.total[node]))),
              tree.total[c] / tree.total[node], page.bar))));
  }
  const more = to - from - items.length;
  return [el('h3', {}, page.app.state.invert ? 'Called by' : 'Calls'), el('ul.callees', {}, items),
          more > 0 ? el('p.muted.small', {}, fmtCount(more) + ' more, lighter') : null];
}

export function makeDetail(page) {
  const node = el('aside.detail', { 'aria-label': 'Selected function' });
  const { frames } = page.app.model;
  function show(n) {
    const { tree } = page;
    const m = page.metric;
    if (!(tree.total[0] > 0)) return fillWith(node);
    const f = tree.frame[n];
    const path = framePath(frames, f);
    const about = aboutOf(page, f);
    return fillWith(node,
      el('h2', {}, n ? frameName(frames, f) : 'All stacks'),
      path ? el('p.mono.path', {}, path) : null, about ? el('p.muted', {}, about) : null,
      el('dl.numbers', {},
         pair('Total', m.fmt(tree.total[n]), m.exact(tree.total[n])),
         selfValue(page, n),
         pair('Of everything', fmtPct(tree.total[n], tree.total[0])),
         n ? pair('Of its parent', fmtPct(tree.total[n], tree.total[tree.parent[n]])) : null,
         extraValues(page, n), nativeFacts(frames, n ? f : -1)),
      calleeList(page, n));
  }
  return { node, show };
}
