// SPDX-License-Identifier: MIT
// The search box: a substring, file.py:42, or /regex/. Pure.

const BUDGET_MS = 1000;

// {kind, text|re|file+line} or {error}; null for an empty query.
export function parseQuery(text) {
  const q = text.trim();
  if (!q) return null;
  const re = /^\/(.+)\/([imu]*)$/.exec(q);
  if (re) return parseRegex(re[1], re[2]);
  const place = /^(.+\.\w{1,4}):(\d+)$/.exec(q);
  if (place) return { kind: 'place', file: place[1].toLowerCase(), line: Number(place[2]) };
  return { kind: 'text', text: q.toLowerCase() };
}

function parseRegex(source, flags) {
  try {
    return { kind: 'regex', re: new RegExp(source, flags) };
  } catch (e) {
    return { error: 'not a regular expression: ' + e.message.replace(/^.*: /, '') };
  }
}

const moduleOf = (frames, f) => (frames.module ? frames.module[f] : '');

function tester(query, frames) {
  if (query.kind === 'place') {
    return (f) => frames.line[f] === query.line && frames.file[f].toLowerCase().endsWith(query.file);
  }
  if (query.kind === 'regex') {
    return (f) => query.re.test(frames.func[f]) || query.re.test(frames.file[f]) || query.re.test(moduleOf(frames, f));
  }
  return (f) => frames.func[f].toLowerCase().includes(query.text) ||
    frames.file[f].toLowerCase().includes(query.text) || moduleOf(frames, f).toLowerCase().includes(query.text);
}

// {mask, count, late}: late when a slow expression was stopped after a second.
export function matchFrames(frames, query, now = () => Date.now()) {
  const mask = new Uint8Array(frames.n);
  const test = tester(query, frames);
  const stop = now() + BUDGET_MS;
  let count = 0;
  for (let f = 0; f < frames.n; f++) {
    if ((f & 63) === 63 && now() > stop) return { mask, count, late: true };
    if (test(f)) {
      mask[f] = 1;
      count++;
    }
  }
  return { mask, count, late: false };
}

// Value under matching frames, each nested match counted once; and the matching nodes in the
// order of the picture, heaviest first, to step through.
export function matchTree(tree, mask, limit = 1000) {
  const inside = new Uint8Array(tree.n);
  let total = 0;
  let n = 0;
  const nodes = [];
  for (let i = 1; i < tree.n; i++) {
    if (!(tree.total[i] > 0)) continue;
    const hit = mask[tree.frame[i]] === 1;
    if (hit) {
      n++;
      if (!inside[tree.parent[i]]) total += tree.total[i];
      nodes.push(i);
    }
    inside[i] = hit || inside[tree.parent[i]] ? 1 : 0;
  }
  nodes.sort((a, b) => tree.total[b] - tree.total[a] || a - b);
  return { total, n, nodes: nodes.slice(0, limit) };
}
