// SPDX-License-Identifier: MIT
// The frame around the pages: top bar with the quality of the data, tabs, theme, keys, help.
import { el, fillWith, icon, isDark } from './dom.js';
import { fmtCount, fmtNs } from './format.js';
import { processLabel } from './model.js';

const LOGO = 'M1.5 2h13v3h-13zm0 4.5h8v3h-8zm0 4.5h4v3h-4z';
const MOON = 'M6.2 1.6a6.5 6.5 0 1 0 8.2 8.2A5.6 5.6 0 0 1 6.2 1.6z';
const OK = 'M6.4 11.6 2.6 7.8l1.1-1.1 2.7 2.7 5.9-5.9 1.1 1.1z';
const WARN = 'M8 1.5 15 14H1zM7.3 6v4h1.4V6zm0 5v1.4h1.4V11z';

function chip(good, text, title) {
  return el('a.chip' + (good ? '.good' : '.warn'), { href: '#quality', title }, icon(good ? OK : WARN), text);
}

function qualityChips({ capture }) {
  const lost = capture.lost_events || 0;
  const pct = capture.overhead_pct;
  return el('div.chips', {},
    chip(capture.complete !== false, capture.complete !== false ? 'complete' : 'incomplete',
         'Whether recording ended in order'),
    chip(lost === 0, fmtCount(lost) + ' lost events', 'Events the recorder had to drop'),
    chip(!(pct > 2), 'overhead ' + (Number.isFinite(pct) ? pct.toFixed(2) + '\u00a0%' : 'unknown'),
         'What recording cost the program, as measured'));
}

function subject({ processes, capture }) {
  if (!processes.length) return 'no process';
  const first = processLabel(processes[0]);
  const more = processes.length > 1 ? ' + ' + (processes.length - 1) + ' more' : '';
  const python = processes[0].python ? ' · Python ' + processes[0].python : '';
  return first + more + python + ' · ' + fmtNs(capture.duration_ns || 0);
}

export function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  document.dispatchEvent(new Event('gs-theme'));
}

function tabBar(pages) {
  return el('nav.tabs', { 'aria-label': 'Pages' }, el('ul', {}, pages.map((p, i) =>
    el('li', {}, el('a', { href: '#' + p.id, 'data-page': p.id, title: p.title + ' (' + (i + 1) + ')' }, p.title)))));
}

export function makeTop(model, pages, openHelp) {
  const top = document.getElementById('top');
  fillWith(top, el('div.topbar', {},
    el('a.brand', { href: '#overview' }, icon(LOGO), 'gilscope'),
    el('div.subject', { title: subject(model) }, subject(model)),
    qualityChips(model),
    el('button.icon-button', { type: 'button', onclick: openHelp, 'aria-label': 'Keys and help', title: 'Keys and help (?)' }, '?'),
    el('button.icon-button', { type: 'button', onclick: toggleTheme, 'aria-label': 'Switch light and dark', title: 'Light or dark' },
       icon(MOON))), tabBar(pages));
}

export function markTab(id) {
  for (const a of document.querySelectorAll('nav.tabs a')) {
    if (a.dataset.page !== id) {
      a.removeAttribute('aria-current');
      continue;
    }
    a.setAttribute('aria-current', 'page');
    a.scrollIntoView({ block: 'nearest', inline: 'nearest' }); // a narrow window shows a part of the bar
  }
}

const KEYS = [
  ['1 … 8', 'pages, in their order'], ['/', 'search'], ['Enter, Shift+Enter', 'next, previous match'],
  ['← →', 'sibling'], ['↑ ↓', 'caller, heaviest callee'], ['Enter', 'zoom to the selected box'],
  ['Esc', 'zoom out one step'], ['0', 'whole picture'], ['+ −', 'scale'], ['a d', 'pan'],
  ['↑ ↓, ← →', 'in the arena map: arena, pool'], ['i', 'invert'], ['v', 'table or picture'], ['?', 'this help'],
];

const WORDS = [
  ['Hold', 'Time a thread held the GIL.'],
  ['Wait', 'Time a thread wanted the GIL and another one held it.'],
  ['Blame', 'Each wait, given to the code that held the GIL meanwhile. Its sum equals the sum of the waits.'],
  ['Arena', 'A piece of memory that Python gets from the system for small objects, cut into pools of one block size each. ' +
            'It goes back only when every block in it is free.'],
  ['Pinned', 'Free memory in an arena that cannot go back, because other blocks of that arena are in use.'],
  ['Context', 'What CUDA keeps of a device for a process: some hundred MiB of its memory, before anything is allocated.'],
  ['Savings', 'What the program would gain or lose in free-threaded Python, which has no GIL: how many times as fast it would be.'],
  ['Self, total', 'Self: the function itself. Total: with all it called.'],
];

function terms(rows) {
  return el('dl.facts', {}, rows.map(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]));
}

export function makeHelp() {
  const box = el('dialog.help', { 'aria-labelledby': 'h-help' },
    el('div.card-head', {}, el('h2', { id: 'h-help' }, 'Words and keys'),
       el('button.icon-button', { type: 'button', 'aria-label': 'Close', onclick: () => box.close() }, '✕')),
    terms(WORDS), el('h3', {}, 'Keys'), terms(KEYS.map(([k, v]) => [el('kbd', {}, k), v])));
  document.body.append(box);
  return () => box.showModal();
}
