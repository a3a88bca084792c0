// SPDX-License-Identifier: MIT
// What is shown, as the part of the address after '#': a link restores page, view, zoom, filter.
// Pure. Keys are short because people paste these links into chats.

export const DEFAULTS = {
  page: 'overview',
  metric: 'blame',
  process: -1, // index into processes[]; -1 all
  thread: -1,  // index into processes[process].threads[]; -1 all
  invert: false,
  startup: false, // show the frames every thread starts with
  table: false,
  zoom: 0,     // node of the tree in view
  node: -1,    // node of the file: what findings link to; turned into zoom when shown
  query: '',
  chain: 0,
  order: 'free', // of the arena map's rows
  snapshot: -1,  // of the arena map; -1 the last one
  arena: -1,     // chosen in the arena map
  by: 'kind',    // of the chart of device memory: kind or stack
  part: '',      // of the CUDA page: what findings lead to
};

const KEYS = { m: 'metric', p: 'process', t: 'thread', i: 'invert', s: 'startup', v: 'table',
               z: 'zoom', n: 'node', q: 'query', c: 'chain',
               o: 'order', k: 'snapshot', a: 'arena', b: 'by', h: 'part' };

function parseValue(fallback, text) {
  if (typeof fallback === 'boolean') return text === '1';
  if (typeof fallback === 'string') return text;
  return /^-?\d{1,9}$/.test(text) ? Number(text) : fallback;
}

export function parseHash(hash) {
  const state = { ...DEFAULTS };
  const [page, rest = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  if (/^[a-z]+$/.test(page)) state.page = page;
  for (const [k, v] of new URLSearchParams(rest)) {
    const key = Object.prototype.hasOwnProperty.call(KEYS, k) ? KEYS[k] : null;
    if (key) state[key] = parseValue(DEFAULTS[key], v);
  }
  return state;
}

export function formatHash(state) {
  const params = new URLSearchParams();
  for (const [k, key] of Object.entries(KEYS)) {
    const v = state[key];
    if (v !== DEFAULTS[key]) params.set(k, typeof v === 'boolean' ? (v ? '1' : '0') : String(v));
  }
  const q = params.toString();
  return '#' + state.page + (q ? '?' + q : '');
}
