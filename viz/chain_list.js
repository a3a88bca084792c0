// SPDX-License-Identifier: MIT
// Pairs of stacks: the one that held above, the one that waited below, leaf against leaf. The two
// lines that met stand in the middle.
import { el, fillWith } from './dom.js';
import { fmtNs, fmtPct, fmtCount, plural } from './format.js';
import { stackOf, frameName, framePath, framePlace } from './model.js';
import { barCell } from './table.js';

const NEAR = 6;

function leaf(model, node) {
  const f = stackOf(model.nodes, node)[0];
  if (f === undefined) return { name: '(no stack)', place: '' };
  return { name: frameName(model.frames, f), place: framePlace(model.frames, f) };
}

function frameLine(model, f, isLeaf) {
  return el('li' + (isLeaf ? '.leaf' : ''), { title: framePath(model.frames, f) },
            el('span.fn', {}, frameName(model.frames, f)), el('span.mono.muted', {}, framePlace(model.frames, f)));
}

// `outward`: innermost first (the waiter, read downwards); else innermost last (the holder).
export function stackList(model, node, outward) {
  const frames = stackOf(model.nodes, node);
  if (!frames.length) return el('p.muted', {}, '(no stack)');
  const line = (f, i) => frameLine(model, f, i === 0);
  const near = frames.slice(0, NEAR).map(line);
  const far = frames.slice(NEAR).map((f) => frameLine(model, f, false));
  const order = (list) => (outward ? list : [...list].reverse());
  const outer = far.length ? el('details.outer', {},
    el('summary', {}, plural(far.length, 'outer frame', 'outer frames')),
    el('ol.stack', {}, order(far))) : null;
  const inner = el('ol.stack', {}, order(near));
  return outward ? [inner, outer] : [outer, inner];
}

function flameLink(app, metric, process, node, text) {
  return el('a', { href: app.link({ page: 'flame', metric, process, node }) }, text);
}

function chainDetail(app, i) {
  const { model } = app;
  const c = model.chains;
  return [
    el('div.chain-part.holder', {}, el('h3', {}, 'Held the GIL ', flameLink(app, 'blame', c.process[i], c.holder[i], 'in blame →')),
       stackList(model, c.holder[i], false)),
    el('div.chain-split', {}, el('span', {}, fmtNs(c.ns[i]) + ' lost in ' + plural(c.count[i], 'wait', 'waits') +
       ', ' + fmtNs(c.ns[i] / Math.max(1, c.count[i])) + ' each')),
    el('div.chain-part.waiter', {}, stackList(model, c.waiter[i], true),
       el('h3', {}, 'Waited for it ', flameLink(app, 'wait', c.process[i], c.waiter[i], 'in wait →'))),
  ];
}

function chainButton(app, i, whole, current) {
  const { model } = app;
  const c = model.chains;
  const h = leaf(model, c.holder[i]);
  const w = leaf(model, c.waiter[i]);
  return el('button.chain', { type: 'button', 'aria-pressed': String(current), onclick: () => app.go({ chain: i }) },
    barCell(el('span.chain-row', {},
      el('span.chain-names', {}, el('span.fn', {}, h.name), el('span.muted.small', {}, 'held while '),
         el('span.fn', {}, w.name), el('span.muted.small', {}, 'waited')),
      el('span.chain-ns', {}, el('strong', {}, fmtNs(c.ns[i])), el('span.muted', {}, fmtPct(c.ns[i], whole)))),
      c.ns[i] / c.ns[0], 'wait'));
}

// Returns {node, update}; the list is built once, only the choice changes.
export function makeChains(app) {
  const c = app.model.chains;
  const whole = app.model.total.wait_ns;
  const list = el('div.chain-list', { role: 'group', 'aria-label': 'Pairs of stacks, heaviest first' });
  const detail = el('div.chain-detail', { 'aria-live': 'polite' });
  let shown = 50;
  function update() {
    const at = Math.min(Math.max(0, app.state.chain), c.n - 1);
    if (at >= shown) shown = at + 1;
    const focused = list.contains(document.activeElement);
    const items = [];
    for (let i = 0; i < Math.min(shown, c.n); i++) items.push(chainButton(app, i, whole, i === at));
    fillWith(list, items, c.n > shown ? el('button.button', { type: 'button', onclick: () => { shown += 100; update(); } },
      'Show more of ' + fmtCount(c.n)) : null);
    fillWith(detail, chainDetail(app, at));
    if (focused) items[at].focus();
  }
  if (c.n) update();
  return { node: c.n ? el('div.chains', {}, list, detail)
                     : el('p.empty', {}, 'No wait was recorded together with the stack that held.'),
           update: () => { if (c.n) update(); } };
}
