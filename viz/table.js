// SPDX-License-Identifier: MIT
// A real table: sortable by its headers' buttons, long ones shown a page at a time.
import { el, fillWith } from './dom.js';
import { fmtCount } from './format.js';

const PAGE = 100;

function compare(column, descending) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const x = column.value(a);
    const y = column.value(b);
    const order = typeof x === 'string' ? x.localeCompare(y, 'en', { numeric: true }) : x - y;
    return sign * order;
  };
}

// columns: {label, value(row), cell(row) -> node or text, number, title}; sort: {column, descending}
export function makeTable({ caption, columns, rows, sort, empty, onRow, page = PAGE }) {
  const state = { ...(sort || { column: 0, descending: false }), shown: page };
  const body = el('tbody');
  const heads = columns.map((c, i) => headCell(c, () => resort(i)));
  const more = el('div.table-more');
  const table = el('table.data', {}, el('caption.visually-hidden', {}, caption),
                   el('thead', {}, el('tr', {}, heads)), body);

  function resort(i) {
    state.descending = state.column === i ? !state.descending : Boolean(columns[i].number);
    state.column = i;
    draw();
  }
  function draw() {
    const sorted = [...rows].sort(compare(columns[state.column], state.descending));
    heads.forEach((h, i) => {
      const order = state.descending ? 'descending' : 'ascending';
      h.setAttribute('aria-sort', i === state.column ? order : 'none');
    });
    fillWith(body, sorted.slice(0, state.shown).map((r) => bodyRow(columns, r, onRow)));
    if (!rows.length) body.append(emptyRow(columns.length, empty));
    drawMore(sorted.length);
  }
  function drawMore(n) {
    fillWith(more);
    if (n <= state.shown) return;
    const next = Math.min(PAGE * 5, n - state.shown);
    more.append(el('span.muted', {}, 'Showing ' + fmtCount(state.shown) + ' of ' + fmtCount(n)),
                el('button.button', { type: 'button', onclick: () => { state.shown += next; draw(); } },
                   'Show ' + fmtCount(next) + ' more'));
  }
  draw();
  return el('div.table-wrap', {}, el('div.table-scroll', { tabindex: 0, role: 'region', 'aria-label': caption },
                                    table), more);
}

function headCell(c, onclick) {
  return el('th' + (c.number ? '.num' : '') + (c.bars ? '.bars' : ''), { scope: 'col' },
            el('button', { type: 'button', onclick, title: c.title || null }, c.label,
               el('span.sort-mark', { 'aria-hidden': 'true' })));
}

function bodyRow(columns, row, onRow) {
  const cells = columns.map((c, i) => {
    const content = c.cell ? c.cell(row) : c.value(row);
    const tag = (i === 0 ? 'th' : 'td') + (c.number ? '.num' : '');
    return el(tag, i === 0 ? { scope: 'row' } : {}, content);
  });
  const attributes = onRow ? { onclick: () => onRow(row), class: 'clickable' } : {};
  return el('tr', attributes, cells);
}

function emptyRow(span, text) {
  return el('tr', {}, el('td.empty', { colspan: span }, text || 'Nothing recorded'));
}

// A number with a bar behind it, so that a column can be read at a glance.
export function barCell(text, share, kind) {
  const width = Math.max(0, Math.min(1, share || 0)) * 100;
  return el('span.barcell', {}, el('span.bar.' + kind, { style: { width: width.toFixed(2) + '%' } }),
            el('span', {}, text));
}
