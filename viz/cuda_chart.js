// SPDX-License-Identifier: MIT
// Live device memory over time, by its kind or by the stack that asked for it.
import { el, fillWith } from './dom.js';
import { fmtNs, fmtBytes, fmtPct, plural } from './format.js';
import { frameName, framePlace } from './model.js';
import { KIND_LAYERS, totalOf } from './cuda_model.js';
import { layoutSeries, thinned } from './layout_series.js';
import { makeSeries } from './draw_series.js';
import { makeTable } from './table.js';
import { card } from './parts.js';

const WORDS = 6;

export function swatchStyle(colour) {
  return { style: { '--key': 'var(' + colour + ')' } };
}

// Many stacks end in the same function of a library: the line that called it tells them apart.
function stackLabel({ nodes, frames }, node) {
  if (!node) return 'all others';
  const up = nodes.parent[node];
  return frameName(frames, nodes.frame[node]) + (up ? ' ← ' : ' ') + framePlace(frames, nodes.frame[up || node]);
}

function kindView(c) {
  const layers = KIND_LAYERS.filter(({ key }) => c.samples.some((s) => s[key] > 0));
  return { samples: c.samples, layers, line: c.samples.some((s) => s.host > 0) ? 'host' : null, total: totalOf };
}

function stackView(app, { samples, layers }) {
  const shown = layers.filter(({ key }) => samples.some((s) => s[key] > 0));
  return { samples, layers: shown.map((l) => ({ ...l, label: stackLabel(app.model, l.node) })), line: null,
           total: (s) => layers.reduce((sum, { key }) => sum + s[key], 0) };
}

// A moment in words: the time, the sum, then what is most.
function wordsOf(view, capacity) {
  return (s) => {
    const parts = view.layers.filter(({ key }) => s[key] > 0).sort((a, b) => s[b.key] - s[a.key]);
    const total = view.total(s);
    const more = parts.length - WORDS;
    return [fmtNs(s.t_ns), fmtBytes(total) + ' live' + (capacity ? ', ' + fmtPct(total, capacity) + ' of the capacity' : ''),
            ...parts.slice(0, WORDS).map(({ key, label }) => fmtBytes(s[key]) + ' ' + label),
            ...(more > 0 ? [plural(more, 'more', 'more')] : []), ...(view.line ? [fmtBytes(s[view.line]) + ' page-locked host memory'] : [])];
  };
}

function legend(app, at, view, c) {
  const shown = layoutSeries(view.samples, view.layers, view.line, c.capacity).limit;
  const key = ({ label, node, colour, hatched }) => {
    const tag = '.key' + (hatched ? '.hatched' : '');
    if (!node || !app.model.cudaRows) return el('span' + tag, swatchStyle(colour), label);
    return el('a' + tag, { ...swatchStyle(colour), href: app.link({ page: 'flame', metric: 'cudapeak', process: at, node }) }, label);
  };
  return el('div.legend', {}, view.layers.map(key), view.line ? el('span.key.line', {}, 'page-locked host memory') : null,
    c.capacity ? el('span' + (shown ? '.key.limit' : ''), {}, 'capacity ' + fmtBytes(c.capacity) + (shown ? '' : ', above this chart')) : null,
    c.oom.length ? el('span.key.event', {}, 'out of memory') : null);
}

function asTable(view) {
  const bytes = (label, of) => ({ label, number: true, value: of, cell: (s) => fmtBytes(of(s)) });
  return el('details.as-table', {}, el('summary', {}, 'As a table'), makeTable({
    caption: 'Device memory over time', rows: thinned(view.samples, 40), sort: { column: 0, descending: false },
    columns: [{ label: 'At', number: true, value: (s) => s.t_ns, cell: (s) => fmtNs(s.t_ns) }, bytes('Live', view.total),
              ...view.layers.map(({ key, label }) => bytes(label, (s) => s[key])), ...(view.line ? [bytes('Host', (s) => s.host)] : [])] }));
}

export const oomText = (o) => (o.call || 'a call') + ' asked for ' + fmtBytes(o.asked_bytes);

function summaryOf(c, by) {
  return 'Chart of live device memory over time by ' + by + ': at most ' + fmtBytes(c.peak_bytes) + ', at ' + fmtNs(c.peak_t_ns) + '; ' +
    fmtBytes(c.live_bytes) + ' at the end' + (c.oom_count ? '; out of memory ' + plural(c.oom_count, 'time', 'times') : '') +
    '. Left and right arrow read single moments.';
}

export class CudaChart {
  constructor(app, at) {
    this.app = app;
    this.at = at;
    this.c = app.model.processes[at].cuda;
    this.curve = app.model.cudaCurves.get(at);
    this.buttons = this.curve ? ['kind', 'stack'].map((by) =>
      el('button', { type: 'button', 'data-by': by, onclick: () => app.go({ by }) }, 'By ' + by)) : [];
    this.body = el('div');
    this.node = card('h-cuda-chart', 'Device memory over time',
      this.curve ? el('div.segmented', { role: 'group', 'aria-label': 'Divided' }, this.buttons) : null, this.body);
    this.update();
  }

  update() {
    const by = this.curve && this.app.state.by === 'stack' ? 'stack' : 'kind';
    if (by === this.by) return;
    this.by = by;
    for (const b of this.buttons) b.setAttribute('aria-pressed', String(b.dataset.by === by));
    const { app, c } = this;
    const view = by === 'stack' ? stackView(app, this.curve) : kindView(c);
    if (!view.layers.length && !view.line) return fillWith(this.body, el('p.empty', {}, 'No allocation was recorded.'));
    this.series = makeSeries(app, { ...view, step: true, limit: c.capacity, summary: summaryOf(c, by), words: wordsOf(view, c.capacity),
                                    events: c.oom.map((o) => ({ t_ns: o.t_ns, text: 'Out of memory: ' + oomText(o) })) });
    fillWith(this.body, legend(app, this.at, view, c), this.series.node, asTable(view));
  }

  theme() {
    if (this.series) this.series.redraw();
  }
}
