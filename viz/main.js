// SPDX-License-Identifier: MIT
// Start: read the data, draw the frame, show the page the address names.
import { loadReport } from './load.js';
import { tableOf, makeModel } from './model.js';
import { parseHash, formatHash, DEFAULTS } from './state.js';
import { ORDERS } from './layout_arena_map.js';
import { el, fillWith, icon, announce, makeTooltip } from './dom.js';
import { makeTop, markTab, makeHelp } from './ui.js';
import { overviewPage } from './page_overview.js';
import { flamePage } from './page_flame.js';
import { blocksPage } from './page_blocks.js';
import { memoryPage } from './page_memory.js';
import { cudaPage } from './page_cuda.js';
import { savingsPage } from './page_savings.js';
import { qualityPage } from './page_quality.js';
import { countersPage } from './page_counters.js';

// The tabs, in order. A page is {id, title, has?(model), make(app) -> {node, update?, key?, destroy?}};
// one whose `has` says no has no tab.
const PAGES = [overviewPage, flamePage, blocksPage, memoryPage, cudaPage, savingsPage, qualityPage, countersPage];

// What leaves the zoom meaningless: node numbers belong to one shape of the tree.
const RESHAPES = ['invert', 'startup'];

class App {
  constructor(model) {
    this.model = model;
    this.state = { ...DEFAULTS };
    this.tooltip = makeTooltip();
    this.announce = announce;
    this.icon = icon;
    this.caches = new Map();
    this.themed = [];
    this.main = document.getElementById('main-content');
    this.openHelp = makeHelp();
    this.pages = PAGES.filter((p) => !p.has || p.has(model));
    makeTop(model, this.pages, this.openHelp);
    const retheme = () => this.themed.forEach((fn) => fn());
    document.addEventListener('gs-theme', retheme);
    for (const query of ['(prefers-color-scheme: dark)', 'print']) {
      matchMedia(query).addEventListener('change', retheme);
    }
    window.addEventListener('hashchange', () => this.route());
    document.addEventListener('keydown', (e) => this.key(e));
    this.route();
  }

  cache(name, make) {
    if (!this.caches.has(name)) this.caches.set(name, make());
    return this.caches.get(name);
  }

  onTheme(fn) {
    this.themed.push(fn);
  }

  link(patch) {
    return formatHash({ ...DEFAULTS, ...patch });
  }

  // Changes what is shown. Typing replaces the address; everything else can be gone back from.
  go(patch, { replace = false } = {}) {
    const next = { ...this.state, ...patch };
    if (RESHAPES.some((k) => k in patch && patch[k] !== this.state[k])) Object.assign(next, { zoom: 0, node: -1 });
    if (next.invert && ('metric' in patch || 'process' in patch)) Object.assign(next, { zoom: 0, node: -1 });
    const hash = formatHash(next);
    if (hash !== location.hash) this.visit(hash, replace);
  }

  // At once: 'hashchange' comes later, and a second key until then would act on the old state.
  visit(hash, replace) {
    history[replace ? 'replaceState' : 'pushState'](null, '', hash);
    this.route();
  }

  route() {
    if (location.hash === '#main-content') return;
    const state = parseHash(location.hash);
    const page = this.pages.find((p) => p.id === state.page) || this.pages[0];
    this.state = this.sane(state);
    this.tooltip.hide();
    if (this.page === page && this.view && this.view.update) {
      this.view.update();
      return;
    }
    this.show(page);
  }

  // An address may be hand-made, or come from another report.
  sane(s) {
    const p = this.model.processes[s.process];
    const { metrics } = this.model;
    const known = Object.prototype.hasOwnProperty.call(metrics, s.metric) && tableOf(this.model, metrics[s.metric].rows);
    const metric = known ? s.metric : DEFAULTS.metric;
    const threads = p && metrics[metric].rows === 'rows' ? p.threads.length : 0;
    const thread = s.thread >= 0 && s.thread < threads ? s.thread : -1;
    const node = s.node < this.model.nodes.n ? s.node : -1;
    const order = Object.prototype.hasOwnProperty.call(ORDERS, s.order) ? s.order : DEFAULTS.order;
    return { ...s, process: p ? s.process : -1, thread, metric, node, order };
  }

  show(page) {
    const moved = this.page && this.page !== page;
    if (this.view && this.view.destroy) this.view.destroy();
    this.page = page;
    this.themed = [];
    this.view = page.make(this);
    fillWith(this.main, this.view.node);
    if (moved) window.scrollTo(0, 0);
    if (this.view.shown) this.view.shown();
    markTab(page.id);
    document.title = page.title + ' · gilscope report';
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) || document.querySelector('dialog[open]')) return;
    const n = Number(e.key);
    if (n >= 1 && n <= this.pages.length) this.visit('#' + this.pages[n - 1].id, false);
    else if (e.key === '?') this.openHelp();
    else if (!(this.view.key && this.view.key(e))) return;
    e.preventDefault();
  }
}

function showError(e) {
  const main = document.getElementById('main-content');
  fillWith(main, el('div.page', {}, el('section.card.failed', { role: 'alert' }, el('h1', {}, 'This report cannot be shown'),
    el('p', {}, e instanceof Error ? e.message : String(e)))));
}

async function start() {
  try {
    const model = makeModel(await loadReport(document));
    document.getElementById('loading').remove();
    document.getElementById('skip').addEventListener('click', (e) => {
      e.preventDefault();
      document.getElementById('main-content').focus();
    });
    new App(model);
  } catch (e) {
    showError(e);
  }
}

start();
