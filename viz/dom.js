// SPDX-License-Identifier: MIT
// The only way elements are made here: attributes and text, never markup.

const PROPERTIES = new Set(['disabled', 'checked', 'value', 'selected', 'open', 'hidden', 'htmlFor']);

function setAttribute(node, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
  else if (key === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
  else if (PROPERTIES.has(key)) node[key] = value;
  else node.setAttribute(key, value === true ? '' : String(value));
}

// el('a.link', {href}, 'text', child, …): classes in the tag, null children skipped.
export function el(spec, attributes, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  for (const [k, v] of Object.entries(attributes || {})) setAttribute(node, k, v);
  append(node, children);
  return node;
}

function append(node, children) {
  for (const c of children) {
    if (Array.isArray(c)) append(node, c);
    else if (c instanceof Node) node.append(c);
    else if (c !== null && c !== undefined && c !== false) node.append(String(c));
  }
}

// Text in which `names` are set as code; still only text.
export function prose(text) {
  return String(text).split('`').map((part, i, all) => {
    if (i % 2 === 0) return part;
    return i === all.length - 1 ? '`' + part : el('code', {}, part); // no closing mark: not code
  });
}

export function fillWith(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

// A line icon from path data, 16x16.
export function icon(d) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', d);
  svg.append(path);
  return svg;
}

export function cssVar(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function isDark() {
  if (matchMedia('print').matches) return false;
  const set = document.documentElement.dataset.theme;
  return set ? set === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

export function announce(text) {
  document.getElementById('live').textContent = text;
}

// Sizes a canvas to its box in device pixels; returns a context in CSS pixels.
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
  }
  const ctx = canvas.getContext('2d', { alpha: false });
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return ctx;
}

// One redraw a frame, however often it is asked for.
export function frameOnce(fn) {
  let waiting = 0;
  return () => {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; fn(); });
  };
}

export function makeTooltip() {
  const box = el('div.tooltip', { role: 'presentation', hidden: true });
  document.body.append(box);
  return {
    hide: () => { box.hidden = true; },
    show(x, y, ...children) {
      fillWith(box, ...children);
      box.hidden = false;
      const right = document.documentElement.clientWidth - box.offsetWidth - 8;
      const under = y + 18 + box.offsetHeight < window.innerHeight;
      box.style.left = Math.max(8, Math.min(x + 14, right)) + 'px';
      box.style.top = (under ? y + 18 : Math.max(8, y - box.offsetHeight - 12)) + 'px';
    },
  };
}
