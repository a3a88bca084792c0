// SPDX-License-Identifier: MIT
// The icicle picture: scrolling, zooming, pan, keys, and its mirror for screen readers. Knows a
// tree and a scene; what zooming means for the address is its owner's business.
import { el, fillWith, fitCanvas, frameOnce } from './dom.js';
import { layoutIcicle, makeBoxes, nodeAt, siblings, clampWindow } from './layout_icicle.js';
import { drawIcicle, ROW_PX } from './draw_icicle.js';

const MIN_BOX_PX = 0.8;
const ANIMATE_MS = 160;
const CLICK_PX = 4;

export class FlamePanel {
  // on: {zoom(node), select(node), hover(node, x, y, rest), describe(node), key(event)}
  constructor(scene, on) {
    this.scene = scene;
    this.on = on;
    this.boxes = makeBoxes();
    this.view = { x0: 0, x1: 1 };
    this.drag = null;
    this.canvas = el('canvas.flame', { tabindex: 0, role: 'tree', 'aria-label': 'Call stacks' });
    this.space = el('div.flame-space', {}, this.canvas);
    this.node = el('div.flame-scroll', {}, this.space);
    this.redraw = frameOnce(() => this.draw());
    this.listen();
  }

  listen() {
    const c = this.canvas;
    this.node.addEventListener('scroll', () => { this.on.hover(-1); this.redraw(); });
    this.observer = new ResizeObserver(() => { this.fit(); this.redraw(); });
    this.observer.observe(this.node.parentElement || this.node);
    c.addEventListener('pointerdown', (e) => this.pointerDown(e));
    c.addEventListener('pointermove', (e) => this.pointerMove(e));
    c.addEventListener('pointerup', (e) => this.pointerUp(e));
    c.addEventListener('pointercancel', () => { this.drag = null; });
    c.addEventListener('pointerleave', () => this.hover(-1));
    c.addEventListener('wheel', (e) => this.wheel(e), { passive: false });
    c.addEventListener('keydown', (e) => this.key(e));
    for (const type of ['focus', 'blur']) {
      c.addEventListener(type, () => {
        this.scene.focused = type === 'focus' && c.matches(':focus-visible');
        this.redraw();
      });
    }
  }

  setTree(tree) {
    this.scene.tree = tree;
    this.scene.hover = -1;
    this.view = { x0: 0, x1: tree.total[0] };
    this.fit();
  }

  // Height of the content, and of the window onto it: never taller than what is left of the page.
  fit() {
    const tree = this.scene.tree;
    if (!tree) return;
    const content = (tree.maxDepth + 1) * ROW_PX;
    const room = Math.max(300, window.innerHeight - 330);
    this.height = Math.min(content + 2, room);
    this.space.style.height = content + 'px';
    this.node.style.height = this.height + 'px';
  }

  draw() {
    const { scene, view } = this;
    const width = this.node.clientWidth;
    if (!scene.tree || !width) return;
    const ctx = fitCanvas(this.canvas, width, this.height);
    scene.scrollTop = this.node.scrollTop;
    const row0 = Math.floor(scene.scrollTop / ROW_PX);
    const row1 = Math.ceil((scene.scrollTop + this.height) / ROW_PX);
    layoutIcicle(scene.tree, { ...view, width, minPx: MIN_BOX_PX, row0, row1 }, this.boxes);
    drawIcicle(ctx, scene, this.boxes, width, this.height);
  }

  // Moves the window so that the node fills the width; its callers stay above it.
  show(node, animate) {
    const { tree } = this.scene;
    this.scroll(node);
    this.moveTo(tree.x[node], tree.x[node] + tree.total[node], animate);
  }

  scroll(node) {
    const top = this.scene.tree.depth[node] * ROW_PX;
    const seen = top >= this.node.scrollTop && top + 3 * ROW_PX <= this.node.scrollTop + this.height;
    if (!seen) this.node.scrollTop = Math.max(0, top - 4 * ROW_PX);
  }

  moveTo(x0, x1, animate) {
    const target = clampWindow(this.scene.tree, x0, x1);
    const from = { ...this.view };
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const start = performance.now();
    this.moving = {};
    const mine = this.moving;
    const step = (now) => {
      if (this.moving !== mine) return;
      const t = animate && !calm ? Math.min(1, Math.max(0, now - start) / ANIMATE_MS) : 1;
      const ease = 1 - (1 - t) ** 3;
      this.view = { x0: from.x0 + (target.x0 - from.x0) * ease, x1: from.x1 + (target.x1 - from.x1) * ease };
      this.draw();
      if (t < 1) requestAnimationFrame(step);
    };
    step(start);
  }

  pan(pixels) {
    const dx = (pixels * (this.view.x1 - this.view.x0)) / this.node.clientWidth;
    this.moving = null;
    this.view = clampWindow(this.scene.tree, this.view.x0 + dx, this.view.x1 + dx);
    this.redraw();
  }

  zoomAt(px, factor) {
    const at = this.unitAt(px);
    this.moving = null;
    this.view = clampWindow(this.scene.tree, at - (at - this.view.x0) * factor, at + (this.view.x1 - at) * factor);
    this.redraw();
  }

  unitAt(px) {
    return this.view.x0 + (px / this.node.clientWidth) * (this.view.x1 - this.view.x0);
  }

  // What is drawn there: a node, or the box of many small ones.
  boxAt(e) {
    const row = Math.floor((e.offsetY + this.node.scrollTop) / ROW_PX);
    const { boxes } = this;
    for (let i = 0; i < boxes.n; i++) {
      if (boxes.row[i] === row && e.offsetX >= boxes.x[i] && e.offsetX < boxes.x[i] + boxes.w[i]) {
        if (boxes.node[i] >= 0) return { node: boxes.node[i], rest: -1 };
        return { node: boxes.up[i], rest: i };
      }
    }
    return { node: nodeAt(this.scene.tree, this.unitAt(e.offsetX), row), rest: -1 };
  }

  pointerDown(e) {
    if (e.button !== 0) return;
    this.drag = { x: e.offsetX, last: e.offsetX, moved: false };
    this.canvas.setPointerCapture(e.pointerId);
  }

  pointerMove(e) {
    if (this.drag) {
      if (Math.abs(e.offsetX - this.drag.x) > CLICK_PX) this.drag.moved = true;
      if (this.drag.moved) {
        this.pan(this.drag.last - e.offsetX);
        this.hover(-1);
      }
      this.drag.last = e.offsetX;
      return;
    }
    const hit = this.boxAt(e);
    this.hover(hit.node, e, hit.rest);
  }

  pointerUp(e) {
    const clicked = this.drag && !this.drag.moved;
    this.drag = null;
    if (!clicked) return;
    const hit = this.boxAt(e);
    if (hit.rest >= 0) {
      const { x, w } = this.boxes;
      this.moveTo(this.unitAt(x[hit.rest]), this.unitAt(x[hit.rest] + w[hit.rest]), true);
    } else if (hit.node >= 0) {
      this.on.zoom(hit.node);
    }
  }

  hover(node, e, rest = -1) {
    const changed = this.scene.hover !== (rest >= 0 ? -1 : node);
    this.scene.hover = rest >= 0 ? -1 : node;
    const small = rest >= 0 ? this.boxes.count[rest] : 0;
    this.on.hover(node, e ? e.clientX : 0, e ? e.clientY : 0, small);
    this.canvas.style.cursor = node >= 0 ? 'pointer' : 'default';
    if (changed) this.redraw();
  }

  // A plain wheel scrolls, as everywhere; with Ctrl it zooms, sideways it pans.
  wheel(e) {
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault();
      this.zoomAt(e.offsetX, Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.008));
    } else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      e.preventDefault();
      this.pan(e.deltaX || e.deltaY);
    }
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const { tree, selected } = this.scene;
    const around = siblings(tree, selected);
    const move = { ArrowUp: tree.parent[selected], ArrowLeft: around.prev, ArrowRight: around.next,
                   ArrowDown: tree.start[selected] < tree.start[selected + 1] ? tree.list[tree.start[selected]] : -1,
                   Home: 0 }[e.key];
    const middle = this.node.clientWidth / 2;
    if (move !== undefined) this.choose(move);
    else if (e.key === 'Enter' || e.key === ' ') this.on.zoom(selected);
    else if (e.key === 'Escape' || e.key === 'Backspace') this.on.up();
    else if (e.key === '+' || e.key === '=') this.zoomAt(middle, 0.7);
    else if (e.key === '-') this.zoomAt(middle, 1 / 0.7);
    else if (e.key === 'a') this.pan(-80);
    else if (e.key === 'd') this.pan(80);
    else if (e.key === '0') this.on.zoom(0);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  choose(node) {
    if (node < 0) return;
    const { tree } = this.scene;
    this.on.select(node);
    this.scroll(node);
    const right = tree.x[node] + tree.total[node];
    if (right <= this.view.x0 || tree.x[node] >= this.view.x1 ||
        (tree.total[node] / (this.view.x1 - this.view.x0)) * this.node.clientWidth < 3) {
      this.moveTo(tree.x[node], right, true);
    }
    this.redraw();
  }

  // The one item a screen reader needs: what is selected, and where it stands.
  mirror(node) {
    const { tree } = this.scene;
    const place = siblings(tree, node);
    fillWith(this.canvas, el('div', {
      role: 'treeitem', id: 'flame-item', 'aria-level': tree.depth[node] + 1, 'aria-selected': 'true',
      'aria-posinset': place.index + 1, 'aria-setsize': place.count }, this.on.describe(node)));
    this.canvas.setAttribute('aria-activedescendant', 'flame-item');
  }

  destroy() {
    this.observer.disconnect();
  }
}
