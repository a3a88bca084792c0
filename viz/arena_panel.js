// SPDX-License-Identifier: MIT
// The arena map with its slider, sort menu and keys. What is chosen lives in the address.
import { el, fillWith, fitCanvas, frameOnce, cssVar, isDark } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, fmtCount, fmtAddress, plural } from './format.js';
import { frameName, framePlace } from './model.js';
import { CLASSES } from './memory_model.js';
import { classPalette } from './colour.js';
import { makeReplay, seek, cellAt, fillOf } from './arena_replay.js';
import { ARENA_ROW_PX, ORDERS, orderArenas, poolEdges, arenaHit, scrollToRow } from './layout_arena_map.js';
import { drawArenaMap } from './draw_arena_map.js';
import { hatch } from './draw_hatch.js';
import { showArena, mapLegend, mapSummary } from './arena_detail.js';
import { makeTable, barCell } from './table.js';

const MAX_HEIGHT = 40 * ARENA_ROW_PX;
const PLAY_MS = 350;

function cellText(cell) {
  if (cell.state === 'never') return 'never used';
  const size = 'blocks of ' + fmtBytes(16 * cell.size_class);
  if (cell.state === 'emptied') return 'emptied; had ' + size;
  return size + ', ' + fmtCount(cell.used) + ' of ' + fmtCount(cell.total) + ' in use';
}

export class ArenaPanel {
  // `moment(t_ns)` is told which snapshot is shown.
  constructor(app, process, map, moment) {
    Object.assign(this, { app, process, map, moment, replay: makeReplay(map), rows: [], hit: null, sorted: '', timer: 0 });
    this.last = map.snapshots.length - 1;
    this.canvas = el('canvas.arenas', { tabindex: 0, role: 'listbox', 'aria-label': 'Arenas, a row each' });
    this.space = el('div.flame-space', {}, this.canvas);
    this.scroll = el('div.flame-scroll', {}, this.space);
    this.detail = el('aside.detail', { 'aria-label': 'Chosen arena' });
    this.legend = el('div');
    this.summary = el('p.what.muted', { id: 'arena-summary' });
    this.table = el('details.as-table', { ontoggle: () => this.drawTable() }, el('summary', {}, 'As a table'), el('div'));
    this.controls = this.makeControls();
    this.node = el('div', {}, this.controls, this.summary, el('div.flame-grid.arena-grid', {},
      el('div.stage', {}, this.makeHead(), this.scroll, this.legend), this.detail), this.table);
    this.redraw = frameOnce(() => this.draw());
    this.listen();
  }

  makeControls() {
    this.order = el('select', { id: 'arena-order', onchange: (e) => this.app.go({ order: e.target.value }) },
      Object.entries(ORDERS).map(([k, o]) => el('option', { value: k }, o.label)));
    this.slider = el('input', { type: 'range', id: 'snapshot', min: 0, max: this.last, step: 1, disabled: this.last < 1,
                                oninput: (e) => { this.stop(); this.show(Number(e.target.value)); } });
    this.time = el('output.time', { for: 'snapshot' });
    this.play = el('button.button', { type: 'button', disabled: this.last < 1, title: 'From snapshot to snapshot', onclick: () => this.toggle() }, 'Play');
    return el('div.toolbar', {}, el('label.field', {}, el('span', {}, 'Sort by'), this.order), this.play,
              el('label.field.slider', {}, el('span', {}, 'Moment'), this.slider), this.time);
  }

  makeHead() {
    const what = '64 pools of ' + fmtBytes(this.map.pool_bytes) + ', in order of address';
    return el('div.arena-head', { 'aria-hidden': 'true' }, el('span', {}, 'Arena'), el('span', {}, what), el('span', {}, 'Freeable'));
  }

  listen() {
    const c = this.canvas;
    this.scroll.addEventListener('scroll', () => { this.point(null); });
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.scroll);
    c.addEventListener('pointermove', (e) => this.point(this.hitAt(e), e));
    c.addEventListener('pointerleave', () => this.point(null));
    c.addEventListener('click', (e) => {
      const hit = this.hitAt(e);
      if (hit) this.choose(hit.row);
    });
    c.addEventListener('keydown', (e) => this.key(e));
    c.addEventListener('blur', () => this.point(null));
  }

  hitAt(e) {
    return arenaHit(this.edges, this.rows.length, this.scroll.scrollTop, e.offsetX, e.offsetY);
  }

  // Shows a snapshot; the last one is what an address says by default.
  show(k) {
    this.app.go({ snapshot: k >= this.last ? -1 : k }, { replace: true });
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.at >= this.last) this.show(0);
    this.timer = setInterval(() => (this.at < this.last ? this.show(this.at + 1) : this.stop()), PLAY_MS);
    this.play.textContent = 'Stop';
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = 'Play';
  }

  update() {
    const s = this.app.state;
    const sorted = this.sorted !== s.order;
    this.sorted = s.order;
    this.at = s.snapshot >= 0 && s.snapshot < this.last ? s.snapshot : this.last;
    seek(this.replay, this.at);
    this.rows = orderArenas(this.replay, s.order);
    this.selected = s.arena >= 0 && s.arena < this.map.arenas.n ? s.arena : -1;
    this.row = this.rows.indexOf(this.selected);
    this.order.value = s.order;
    this.slider.value = this.at;
    this.slider.setAttribute('aria-valuetext', fmtNs(this.replay.t_ns));
    fillWith(this.time, fmtNs(this.replay.t_ns), el('span.muted', {}, ' · ' + (this.at + 1) + ' of ' + (this.last + 1)));
    const left = this.map.left_out;
    fillWith(this.summary, mapSummary(this.replay, this.rows) + '. ',
             left ? plural(left, 'arena', 'arenas') + ' with less to free left out.' : null);
    this.theme();
    this.drawTable();
    this.moment(this.replay.t_ns);
    if (sorted) this.reveal();
  }

  theme() {
    const dark = isDark();
    const v = (name) => cssVar(name);
    this.colours = { palette: classPalette(CLASSES, dark), back: v('--surface'), text: v('--text'), muted: v('--muted'),
                     outline: v('--strong-line'), bar: v('--free-soft'), accent: v('--focus'), font: '11px ' + v('--font'),
                     mono: '11px ' + v('--mono') };
    fillWith(this.legend, mapLegend(dark));
    showArena(this.detail, this.app, { process: this.process, replay: this.replay, arena: this.selected, dark });
    this.fit();
    this.mirror();
    this.redraw();
  }

  fit() {
    const content = this.rows.length * ARENA_ROW_PX + 2;
    this.height = Math.min(content, MAX_HEIGHT);
    this.space.style.height = content + 'px';
    this.scroll.style.height = this.height + 'px';
  }

  draw() {
    const width = this.scroll.clientWidth;
    if (!width || !this.height) return;
    const ctx = fitCanvas(this.canvas, width, this.height);
    this.edges = poolEdges(width);
    drawArenaMap(ctx, { ...this.colours, emptied: hatch(ctx, this.colours.outline, this.colours.back), replay: this.replay,
                        rows: this.rows, edges: this.edges, selected: this.selected, hit: this.hit,
                        scrollTop: this.scroll.scrollTop }, width, this.height);
  }

  originText(arena) {
    const { nodes, frames } = this.app.model;
    const node = this.map.arenas.node[arena];
    if (!node) return '';
    const f = nodes.frame[node];
    return 'for ' + frameName(frames, f) + ' ' + framePlace(frames, f);
  }

  // Marks what is under the pointer, or under the keys, and tells of it.
  point(hit, at) {
    this.hit = hit;
    this.redraw();
    if (!hit || !at) return this.app.tooltip.hide();
    const arena = this.rows[hit.row];
    const { address, born_ns } = this.map.arenas;
    const cell = hit.pool >= 0 && hit.pool < this.map.arenas.pools[arena] ? cellAt(this.replay, arena, hit.pool) : null;
    this.app.tooltip.show(at.clientX, at.clientY,
      el('strong', {}, cell ? 'Pool ' + hit.pool + ': ' + cellText(cell) : this.arenaText(hit.row)),
      el('div.mono', {}, fmtAddress(address[arena])),
      el('div', {}, 'born at ' + fmtNs(born_ns[arena]) + ' ' + this.originText(arena)));
  }

  arenaText(row) {
    const arena = this.rows[row];
    return fmtBytes(this.replay.free[arena]) + ' freeable, ' + fmtPct(fillOf(this.replay, arena), 1) + ' in use';
  }

  describe(row) {
    const arena = this.rows[row];
    return 'Arena ' + fmtAddress(this.map.arenas.address[arena]) + ', ' + this.arenaText(row) + ', born at ' +
      fmtNs(this.map.arenas.born_ns[arena]) + ' ' + this.originText(arena);
  }

  // The one item a screen reader needs: the chosen arena, and where it stands.
  mirror() {
    const { row } = this;
    this.canvas.toggleAttribute('aria-activedescendant', false);
    fillWith(this.canvas, el('div', { role: 'option', id: 'arena-item', 'aria-selected': String(row >= 0),
      'aria-posinset': Math.max(0, row) + 1, 'aria-setsize': this.rows.length }, row >= 0 ? this.describe(row) : 'No arena chosen'));
    if (row >= 0) this.canvas.setAttribute('aria-activedescendant', 'arena-item');
  }

  choose(row) {
    if (!(row >= 0 && row < this.rows.length)) return;
    this.app.go({ arena: this.rows[row] }, { replace: true });
    this.reveal();
  }

  // The chosen row comes into view.
  reveal() {
    if (this.row >= 0) this.scroll.scrollTop = scrollToRow(this.row, this.scroll.scrollTop, this.height);
  }

  key(e) {
    const n = this.rows.length;
    const page = Math.floor(this.height / ARENA_ROW_PX);
    const row = { ArrowDown: this.row + 1, ArrowUp: Math.max(0, this.row - 1), Home: 0, End: n - 1,
                  PageDown: Math.min(n - 1, this.row + page), PageUp: Math.max(0, this.row - page) }[e.key];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (row !== undefined) this.choose(row);
    else if (step && this.row >= 0) this.walk(step);
    else return;
    e.preventDefault();
  }

  // From pool to pool of the chosen arena.
  walk(step) {
    const from = this.hit && this.hit.row === this.row ? this.hit.pool : -1;
    const pools = this.map.arenas.pools[this.selected];
    const pool = Math.min(pools - 1, Math.max(0, from + step));
    const box = this.canvas.getBoundingClientRect();
    const y = box.top + (this.row + 1) * ARENA_ROW_PX - this.scroll.scrollTop;
    this.point({ row: this.row, pool }, { clientX: box.left + this.edges[pool], clientY: y });
    this.app.announce('Pool ' + pool + ': ' + cellText(cellAt(this.replay, this.selected, pool)));
  }

  // Made only while it is open: a slider's step must not cost thousands of rows.
  drawTable() {
    if (!this.table.open) return;
    const { replay } = this;
    const { address, born_ns } = this.map.arenas;
    fillWith(this.table.lastChild, makeTable({
      caption: 'Arenas', rows: this.rows, page: 25, sort: { column: 3, descending: true }, onRow: (a) => this.choose(this.rows.indexOf(a)),
      columns: [
        { label: 'Arena', value: (a) => address[a], cell: (a) => el('span.mono', {}, fmtAddress(address[a])) },
        { label: 'Born', number: true, value: (a) => born_ns[a], cell: (a) => fmtNs(born_ns[a]) },
        { label: 'In use', number: true, bars: true, value: (a) => fillOf(replay, a),
          cell: (a) => barCell(fmtPct(fillOf(replay, a), 1), fillOf(replay, a), 'hold') },
        { label: 'Freeable', number: true, value: (a) => replay.free[a], cell: (a) => fmtBytes(replay.free[a]) },
        { label: 'Emptied pools', number: true, value: (a) => replay.emptied[a] },
        { label: 'Never used', number: true, value: (a) => replay.never[a] },
        { label: 'Asked for by', value: (a) => this.originText(a) || '–' },
      ] }));
  }

  destroy() {
    this.stop();
    this.observer.disconnect();
  }
}
