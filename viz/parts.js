// SPDX-License-Identifier: MIT
// Pieces that several pages are made of.
import { el } from './dom.js';
import { fmtBytes, fmtExactBytes } from './format.js';
import { frameName, framePlace, framePath, processLabel, stackOf } from './model.js';

export function card(id, title, head, ...body) {
  return el('section.card', { 'aria-labelledby': id }, el('div.card-head', {}, el('h2', { id }, title), head), body);
}

export function tile(label, value, detail) {
  return el('div.tile', {}, el('div.tile-label', {}, label), el('div.tile-value', {}, value), el('div.tile-detail', {}, detail));
}

export function exact(bytes) {
  return el('span', { title: fmtExactBytes(bytes) }, fmtBytes(bytes));
}

// A menu of the processes that have `key`; nothing where there is no choice.
export function processField(app, key, at, cleared) {
  const known = app.model.processes.map((p, i) => [p, i]).filter(([p]) => p[key]);
  if (known.length < 2) return null;
  return el('label.field', {}, el('span', {}, 'Process'),
    el('select', { id: key + '-process', onchange: (e) => app.go({ process: Number(e.target.value), ...cleared }) },
       known.map(([p, i]) => el('option', { value: String(i), selected: i === at }, processLabel(p)))));
}

// A row is {node, stack: file:func:line texts, innermost last}; without a node only the texts are known.
export function stackName({ nodes, frames }, row) {
  if (row.node > 0) return frameName(frames, nodes.frame[row.node]);
  return row.stack.length ? row.stack[row.stack.length - 1] : '(no stack)';
}

const frameOf = ({ nodes }, row) => (row.node ? nodes.frame[row.node] : -1);

// The function, a link where the flame graph has it, and who called it, with the lines if wanted.
export function stackCell(app, row, link, places) {
  const { nodes, frames } = app.model;
  const title = row.stack.slice().reverse().join('\n');
  if (!row.node) return el('span', { title }, stackName(app.model, row));
  const callers = stackOf(nodes, row.node).slice(1, 3).map((f) => frameName(frames, f) + (places ? ' ' + framePlace(frames, f) : ''));
  const name = el(link ? 'a.name' : 'span.name', { href: link && app.link({ page: 'flame', node: row.node, ...link }), title },
                  stackName(app.model, row));
  return [name, callers.length ? el('span.callers.muted.small', {}, '← ' + callers.join(' ← ')) : null];
}

export function placeColumn({ model }) {
  const path = (row) => framePath(model.frames, frameOf(model, row));
  return { label: 'Place', value: path,
           cell: (row) => el('span.mono.place', { title: path(row) || null }, framePlace(model.frames, frameOf(model, row)) || '–') };
}
