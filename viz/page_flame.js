// SPDX-License-Identifier: MIT
// Icicles of hold, wait and blame: the controls around the picture, and its table.
import { el, fillWith, cssVar, isDark } from './dom.js';
import { fmtPct, plural } from './format.js';
import { tableOf, frameName, framePlace, framePath, threadLabel, processLabel } from './model.js';
import { frameColour, kindColour, kindKey, makePalette } from './colour.js';
import { pathTo, frameTable } from './tree.js';
import { makeTreeSource, shownNode } from './flame_tree.js';
import { parseQuery, matchFrames, matchTree } from './search.js';
import { makeLabels } from './draw_icicle.js';
import { FlamePanel } from './flame_panel.js';
import { makeDetail } from './flame_detail.js';
import { makeTable, barCell } from './table.js';

const EMPTY = {
  blame: 'No thread kept another one waiting for the GIL here.',
  wait: 'No thread waited for the GIL here.',
  hold: 'No thread held the GIL here.',
  alloc: 'No sampled block was in use at the end here.',
  pinned: 'Nothing that was allocated here keeps free memory from the system.',
  cuda: 'No device memory was live at the end here.',
  cudapeak: 'No device memory was live at the peak here.',
  cudaheld: 'No call of the CUDA driver held the GIL here.',
  cudablame: 'Nobody waited for the GIL while CUDA calls held it here.',
};

function metricButtons(app) {
  const known = Object.entries(app.model.metrics).filter(([, m]) => tableOf(app.model, m.rows));
  return el('div.segmented', { role: 'group', 'aria-label': 'Metric' }, known.map(([value, m]) =>
    el('button', { type: 'button', title: m.what, 'aria-pressed': String(value === app.state.metric),
                   onclick: () => app.go({ metric: value }) }, m.label)));
}

// Memory belongs to a process: any of its threads may use what another one allocated. Rows of CUDA
// are by process as well.
function processScope(app) {
  const { processes } = app.model;
  if (processes.length < 2) return null;
  const option = (i, text) => el('option', { value: String(i), selected: i === app.state.process }, text);
  return el('label.field', {}, el('span', {}, 'Processes'),
            el('select', { id: 'scope', onchange: (e) => app.go({ process: Number(e.target.value) }) },
               option(-1, 'All, merged'), processes.map((p, i) => option(i, processLabel(p)))));
}

function scopeMenu(app) {
  const { processes } = app.model;
  if (app.model.metrics[app.state.metric].rows !== 'rows') return processScope(app);
  const value = app.state.process + '/' + app.state.thread;
  const option = (v, text) => el('option', { value: v, selected: v === value }, text);
  const groups = processes.map((p, i) => {
    const own = p.threads.map((t, k) => option(i + '/' + k, threadLabel(p, k)));
    if (processes.length > 1) own.unshift(option(i + '/-1', 'All threads of pid ' + p.pid));
    return el('optgroup', { label: processLabel(p) }, own);
  });
  const pick = (e) => {
    const [process, thread] = e.target.value.split('/').map(Number);
    app.go({ process, thread });
  };
  return el('label.field', {}, el('span', {}, 'Threads'),
            el('select', { onchange: pick, id: 'scope' }, option('-1/-1', 'All, merged'), groups));
}

function toggle(app, key, label, title, flip = false) {
  const on = app.state[key] !== flip;
  return el('button.toggle', { type: 'button', title, 'aria-pressed': String(on), 'data-key': key,
                               onclick: () => app.go({ [key]: !app.state[key] }) }, label);
}

const KIND_LABELS = ['Python', 'native', 'native, inlined', 'not code'];

// Of the kinds that are there; theme() colours them.
function makeKinds(frames) {
  return KIND_LABELS.map((label, kind) => ({ label, kind, node: el('span.key', {}, label), colour: kindKey(kind) }))
                    .filter(({ kind }) => frames.kind.includes(kind));
}

function kindLegend(kinds) {
  return kinds.length ? el('div.legend.kinds', { 'aria-label': 'Colours' }, kinds.map(({ node }) => node)) : null;
}

class FlamePage {
  constructor(app) {
    this.app = app;
    this.source = app.cache('trees', () => makeTreeSource(app.model));
    this.controls = el('div.toolbar');
    this.search = this.makeSearch();
    this.crumbs = el('nav.crumbs', { 'aria-label': 'Zoom' });
    this.what = el('p.what.muted');
    this.stage = el('div.stage');
    this.legend = app.model.frames.hasNative ? makeKinds(app.model.frames) : [];
    this.detail = makeDetail(this);
    this.panel = new FlamePanel(this.makeScene(), {
      zoom: (n) => this.zoom(n), up: () => this.up(), select: (n) => this.select(n),
      hover: (n, x, y, small) => this.hover(n, x, y, small), describe: (n) => this.describe(n) });
    this.node = el('div.page.flame-page', {}, this.controls, this.search.node, this.what,
                   el('section.card.flame-card', { 'aria-label': 'Flame graph' }, this.crumbs,
                      el('div.flame-grid', {}, this.stage, this.detail.node)));
    app.onTheme(() => this.theme());
    this.update();
  }

  makeScene() {
    const { frames } = this.app.model;
    const colourOf = this.app.cache('colours', () =>
      Uint8Array.from({ length: frames.n }, (_, f) => (frames.hasNative ? kindColour(frames.kind[f], frames.func[f])
                                                                          : frameColour(frames.file[f], frames.func[f]))));
    return { tree: null, colourOf, mask: null, hover: -1, selected: 0, scrollTop: 0,
             nameOf: (n) => (n === 0 ? this.rootName() : frameName(frames, this.tree.frame[n])),
             placeOf: (n) => framePlace(frames, this.tree.frame[n]) };
  }

  get metric() {
    return this.app.model.metrics[this.app.state.metric];
  }

  // The colour of bars.
  get bar() {
    return this.metric.bar || this.app.state.metric;
  }

  rootName() {
    return this.metric.label + ' · ' + this.metric.fmt(this.tree.total[0]);
  }

  theme() {
    const scene = this.panel.scene;
    scene.palette = makePalette(isDark());
    scene.background = cssVar('--surface');
    scene.text = cssVar('--text');
    scene.mutedText = cssVar('--muted');
    scene.accent = cssVar('--focus');
    scene.labels = scene.labels || makeLabels('12px ' + cssVar('--font'));
    this.legend.forEach(({ node, colour }) => node.style.setProperty('--key', scene.palette.colours[colour]));
    this.panel.redraw();
  }

  update() {
    const s = this.app.state;
    const fresh = this.source.tree(s);
    const changed = fresh !== this.tree;
    this.tree = fresh;
    this.theme();
    this.drawControls();
    if (changed) this.panel.setTree(fresh);
    const zoom = s.node >= 0 && !s.invert ? shownNode(fresh, s.node) : s.zoom;
    this.zoomed = zoom > 0 && zoom < fresh.n && fresh.total[zoom] > 0 ? zoom : 0;
    this.applySearch(s.query);
    this.drawStage();
    this.select(this.zoomed, true);
    if (!s.table && fresh.total[0] > 0) this.panel.show(this.zoomed, !changed);
    this.drawCrumbs();
  }

  drawControls() {
    const { app } = this;
    const focus = document.activeElement && this.controls.contains(document.activeElement) ?
      [...this.controls.querySelectorAll('button,select')].indexOf(document.activeElement) : -1;
    fillWith(this.controls,
      metricButtons(app), scopeMenu(app),
      el('div.toggles', {},
         toggle(app, 'invert', 'Invert', 'Innermost function first, its callers below (i)'),
         toggle(app, 'startup', 'Hide startup frames', 'Leave out threading, runpy and importlib frames', true),
         toggle(app, 'table', 'Table', 'Functions as a table (v)')));
    if (focus >= 0) this.controls.querySelectorAll('button,select')[focus].focus();
    fillWith(this.what, el('strong', {}, this.metric.label), ' is the ' + this.metric.what + '. Width is ' +
             this.metric.width + '; callers are ' +
             (app.state.invert ? 'below' : 'above') + '.');
  }

  makeSearch() {
    const input = el('input', { type: 'search', id: 'search', placeholder: 'Search: name, file.py:42 or /regex/',
                                'aria-label': 'Search functions', spellcheck: 'false', autocomplete: 'off' });
    const result = el('span.search-result', { role: 'status' });
    let timer = 0;
    input.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.app.go({ query: input.value }, { replace: true }), 120);
    });
    input.addEventListener('keydown', (e) => {
      if (e.key === 'Enter') this.nextMatch(e.shiftKey ? -1 : 1);
      if (e.key === 'Escape') this.panel.canvas.focus();
      if (e.key === 'Enter' || e.key === 'Escape') e.preventDefault();
    });
    return { node: el('div.search', {}, this.app.icon('M7 2a5 5 0 1 0 3 9l3.5 3.5 1-1L11 10A5 5 0 0 0 7 2zm0 1.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z'),
                                input, result), input, result };
  }

  applySearch(text) {
    const { input, result } = this.search;
    if (input.value !== text && document.activeElement !== input) input.value = text;
    const query = parseQuery(text);
    const key = text + '\0' + this.app.state.startup;
    this.matches = null;
    this.panel.scene.mask = null;
    if (!query) return fillWith(result);
    if (query.error) return fillWith(result, query.error);
    if (this.maskKey !== key) this.found = matchFrames(this.app.model.frames, query);
    this.maskKey = key;
    this.panel.scene.mask = this.found.mask;
    this.matches = matchTree(this.tree, this.found.mask);
    this.matchAt = -1;
    const share = fmtPct(this.matches.total, this.tree.total[0]);
    fillWith(result, this.matches.n ? 'matched ' + this.metric.fmt(this.matches.total) + ' · ' + share + ' · ' +
             plural(this.matches.n, 'box', 'boxes') : 'no match',
             this.found.late ? ' (stopped after 1 s)' : '');
  }

  nextMatch(step) {
    if (!this.matches || !this.matches.nodes.length) return;
    const n = this.matches.nodes.length;
    this.matchAt = this.matchAt < 0 && step < 0 ? n - 1 : (this.matchAt + step + n) % n;
    this.panel.choose(this.matches.nodes[this.matchAt]);
    this.app.announce('Match ' + (this.matchAt + 1) + ' of ' + n + ': ' +
                      this.describe(this.matches.nodes[this.matchAt]));
  }

  drawStage() {
    const s = this.app.state;
    if (!(this.tree.total[0] > 0)) {
      fillWith(this.stage, el('p.empty.big', {}, EMPTY[s.metric] || 'Nothing was counted here.'));
    } else if (s.table) {
      fillWith(this.stage, this.makeFunctionTable());
    } else if (this.panel.node.parentElement !== this.stage) {
      fillWith(this.stage, this.panel.node, kindLegend(this.legend), el('p.hint.muted', {},
        (this.legend.length ? '' : 'Colour is the source file. ') + 'Click to zoom, Ctrl + wheel or + − to scale, drag to pan, arrow keys to walk.'));
    }
    this.detail.node.hidden = s.table || !(this.tree.total[0] > 0);
    this.panel.fit();
  }

  makeFunctionTable() {
    const { frames } = this.app.model;
    const { tree } = this;
    const mask = this.panel.scene.mask;
    const base = this.app.state.invert ? this.source.tree({ ...this.app.state, invert: false }) : tree;
    const from = this.app.state.invert ? 0 : this.zoomed;
    const rows = frameTable(base, from).filter((r) => !mask || mask[r.frame]);
    const whole = base.total[from];
    const bar = (key) => (r) => barCell(this.metric.fmt(r[key]), r[key] / whole, this.bar);
    const show = (r) => this.app.link({ ...this.app.state, table: false, invert: false, node: -1, zoom: r.node });
    return makeTable({
      caption: 'Functions by ' + this.metric.noun, rows,
      sort: { column: 3, descending: true }, empty: 'No function matches.',
      columns: [
        { label: 'Function', value: (r) => frameName(frames, r.frame),
          cell: (r) => el('a.name', { href: show(r), title: 'Show its heaviest stack' }, frameName(frames, r.frame)) },
        { label: 'Place', value: (r) => framePath(frames, r.frame),
          cell: (r) => el('span.mono', { title: framePath(frames, r.frame) }, framePlace(frames, r.frame) || '–') },
        { label: 'Self', number: true, bars: true, value: (r) => r.self, cell: bar('self') },
        { label: 'Total', number: true, bars: true, value: (r) => r.total, cell: bar('total') },
        { label: 'Total %', number: true, value: (r) => r.total, cell: (r) => fmtPct(r.total, whole) },
      ] });
  }

  drawCrumbs() {
    const path = [0, ...pathTo(this.tree, this.zoomed)];
    const shown = path.length > 7 ? [path[0], -1, ...path.slice(-5)] : path;
    const { frames } = this.app.model;
    fillWith(this.crumbs, el('ol', {}, shown.map((n, i) => {
      if (n < 0) return el('li', {}, el('span.muted', {}, '… ' + (path.length - 6) + ' more'));
      const name = n === 0 ? 'All' : frameName(frames, this.tree.frame[n]);
      if (i === shown.length - 1) return el('li', { 'aria-current': 'location' }, name);
      return el('li', {}, el('button', { type: 'button', onclick: () => this.zoom(n) }, name));
    })), this.zoomed ? el('button.button.small', { type: 'button', onclick: () => this.zoom(0) }, 'Reset zoom') : null);
  }

  zoom(node) {
    if (node === this.zoomed) {
      this.select(node);
      this.panel.show(node, true);
    } else {
      this.app.go({ zoom: node, node: -1 });
      this.app.announce('Zoomed to ' + this.describe(node));
    }
  }

  up() {
    this.zoom(this.zoomed > 0 ? this.tree.parent[this.zoomed] : 0);
  }

  select(node, quiet) {
    this.panel.scene.selected = node;
    this.detail.show(node);
    this.panel.mirror(node);
    if (!quiet) this.panel.redraw();
  }

  hover(node, x, y, small) {
    if (node < 0) return this.app.tooltip.hide();
    const { tree } = this;
    const frame = tree.frame[node];
    const { frames } = this.app.model;
    if (small) {
      return this.app.tooltip.show(x, y, el('strong', {}, plural(small, 'small box', 'small boxes')),
        el('div', {}, 'below ' + frameName(frames, frame) + '; click to look closer'));
    }
    this.app.tooltip.show(x, y, el('strong', {}, node ? frameName(frames, frame) : 'All stacks'),
      framePlace(frames, frame) ? el('div.mono', {}, framePlace(frames, frame)) : null,
      el('div', {}, this.metric.fmt(tree.total[node]) + ' · ' + fmtPct(tree.total[node], tree.total[0]) + ' · self ' +
         this.metric.fmt(tree.self[node])));
  }

  describe(node) {
    const { tree } = this;
    const { frames } = this.app.model;
    const f = tree.frame[node];
    const place = framePlace(frames, f);
    return (node ? frameName(frames, f) : 'All stacks') + (place ? ', ' + place : '') + ', ' +
      fmtPct(tree.total[node], tree.total[0]) + ', ' + this.metric.fmt(tree.total[node]);
  }

  key(e) {
    const { app } = this;
    if (e.key === '/') this.search.input.focus();
    else if (e.key === 'i') app.go({ invert: !app.state.invert });
    else if (e.key === 'v') app.go({ table: !app.state.table });
    else if (e.key === 'n' || e.key === 'N') this.nextMatch(e.key === 'n' ? 1 : -1);
    else return false;
    return true;
  }

  destroy() {
    this.panel.destroy();
    this.app.tooltip.hide();
  }
}

export const flamePage = { id: 'flame', title: 'Flame', make: (app) => new FlamePage(app) };
