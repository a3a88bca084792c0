// SPDX-License-Identifier: MIT
// What is known about the chosen arena, beside the map, and the map's legend.
import { el, fillWith } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, fmtAddress, fmtExactBytes, plural } from './format.js';
import { CLASSES } from './memory_model.js';
import { classColour, FILL_STEPS } from './colour.js';
import { classesOf, fillOf } from './arena_replay.js';
import { stackList } from './chain_list.js';
import { makeTable, barCell } from './table.js';

export function classSwatch(sizeClass, dark) {
  const full = classColour(sizeClass, CLASSES, FILL_STEPS - 1, dark);
  return el('span.swatch', { style: { background: full }, 'aria-hidden': 'true' });
}

function poolTable(replay, arena, dark) {
  return makeTable({
    caption: 'Pools of this arena by size class', rows: classesOf(replay, arena), page: 32,
    sort: { column: 1, descending: true }, empty: 'No pool has a block in use.',
    columns: [
      { label: 'Block', value: (r) => r.size_class, title: 'Size class',
        cell: (r) => [classSwatch(r.size_class, dark), fmtBytes(16 * r.size_class)] },
      { label: 'Pools', number: true, value: (r) => r.pools },
      { label: 'In use', number: true, bars: true, value: (r) => r.used, title: 'Blocks in use of all',
        cell: (r) => barCell(fmtCount(r.used) + ' / ' + fmtCount(r.total), r.used / r.total, 'alloc') },
    ] });
}

function factsOf(replay, arena) {
  const { born_ns, died_ns, pools } = replay.map.arenas;
  const inUse = pools[arena] - replay.emptied[arena] - replay.never[arena];
  return [
    ['Born', fmtNs(born_ns[arena]) + (died_ns[arena] < 0 ? ', lives' : ', died at ' + fmtNs(died_ns[arena]))],
    ['In use', fmtBytes(replay.used[arena]) + ' · ' + fmtPct(fillOf(replay, arena), 1), fmtExactBytes(replay.used[arena])],
    ['Freeable', fmtBytes(replay.free[arena]), fmtExactBytes(replay.free[arena])],
    ['Pools', fmtCount(inUse) + ' in use, ' + fmtCount(replay.emptied[arena]) + ' emptied, ' + fmtCount(replay.never[arena]) + ' never used'],
  ];
}

// The stack whose allocation made Python ask for this arena; not what lives in it.
function originOf(app, process, node) {
  if (node <= 0) return null;
  const href = app.link({ page: 'flame', metric: 'alloc', process, node });
  return [el('h3', {}, 'Asked for by ', app.model.alloc ? el('a', { href }, 'in live memory →') : null),
          stackList(app.model, node, true)];
}

export function showArena(box, app, { process, replay, arena, dark }) {
  if (arena < 0) {
    return fillWith(box, el('h2', {}, 'No arena chosen'),
                    el('p.muted', {}, 'Click a row, or walk the map with the arrow keys, to see what its pools hold.'));
  }
  const { address, node } = replay.map.arenas;
  const alive = replay.shown.includes(arena);
  return fillWith(box, el('h2.mono', {}, fmtAddress(address[arena])),
    alive ? [el('dl.numbers', {}, factsOf(replay, arena).map(([k, v, title]) => [el('dt', {}, k), el('dd', { title: title || null }, v)])),
             poolTable(replay, arena, dark)]
          : el('p.muted', {}, 'This arena is not there at this moment.'),
    originOf(app, process, node[arena]));
}

function ramp(label, colours) {
  return el('span.scale', {}, el('span', {}, label[0]),
    el('span.scale-bar', { 'aria-hidden': 'true', style: { background: 'linear-gradient(90deg, ' + colours.join(', ') + ')' } }),
    el('span', {}, label[1]));
}

export function mapLegend(dark) {
  const full = Array.from({ length: CLASSES }, (_, c) => classColour(c + 1, CLASSES, FILL_STEPS - 1, dark));
  const fills = Array.from({ length: FILL_STEPS }, (_, step) => classColour(4, CLASSES, step, dark));
  return el('div.legend.map-legend', {},
    ramp(['blocks of ' + fmtBytes(16), fmtBytes(16 * CLASSES)], full), ramp(['nearly empty', 'full'], fills),
    el('span.key.emptied', {}, 'emptied'), el('span.key.never', {}, 'never used'));
}

export function mapSummary(replay, rows) {
  const sum = (a) => rows.reduce((s, i) => s + a[i], 0);
  return plural(rows.length, 'arena', 'arenas') + ' at ' + fmtNs(replay.t_ns) + ': ' + fmtBytes(sum(replay.used)) +
    ' in use, ' + fmtBytes(sum(replay.free)) + ' free but pinned';
}
