// SPDX-License-Identifier: MIT
// The report's JSON as typed columns, checked once. A capture is untrusted input: everything that
// is later used as an index is proven in range here, so nothing after this file has to ask again.
import { cleanStrings, visibleText, fmtNs, fmtExactNs, fmtBytes, fmtExactBytes } from './format.js';
import { fail, column, inRange, readStackRows } from './checks.js';
import { readMemory, readJobMemory, readArenaMaps } from './memory_model.js';
import { readSavings } from './savings_model.js';
import { readCounters, readCountRows, eventMetrics } from './counters_model.js';
import { readCuda, readJobCuda, readCudaCurves } from './cuda_model.js';

// `rows` is the table that has the column, `count` a column of how often; a metric of bytes belongs
// to no thread. A model has these and one for each event that was counted by stack: model.metrics.
const NS = { rows: 'rows', fmt: fmtNs, exact: fmtExactNs, width: 'time' };
const BYTES = { rows: 'alloc', fmt: fmtBytes, exact: fmtExactBytes, width: 'memory' };

export const METRICS = {
  blame: { ...NS, label: 'Blame', noun: 'blame time', count: null, column: 'blame',
           what: 'time other threads waited while this code held the GIL' },
  wait: { ...NS, label: 'Wait', noun: 'waiting time', count: 'wait_n', column: 'wait',
          what: 'time this code waited for the GIL' },
  hold: { ...NS, label: 'Hold', noun: 'holding time', count: 'hold_n', column: 'hold',
          what: 'time this code held the GIL' },
  alloc: { ...BYTES, label: 'Live memory', noun: 'live memory', count: 'live_n', column: 'live',
           what: 'memory this code allocated that was still in use at the end, estimated from samples' },
  pinned: { ...BYTES, label: 'Pinned memory', noun: 'pinned memory', count: null, column: 'pinned',
            what: 'free memory that cannot go back to the system because blocks this code allocated are in use beside it' },
  cuda: { ...BYTES, rows: 'cudaRows', label: 'Device memory', noun: 'device memory', count: 'count', column: 'live',
          what: 'memory of CUDA devices this code allocated that was still live at the end' },
  cudapeak: { ...BYTES, rows: 'cudaRows', label: 'Device peak', noun: 'device memory at the peak', count: 'count', column: 'peak',
              what: 'memory of CUDA devices this code allocated that was live when the process had most of it' },
  cudaheld: { ...NS, rows: 'cudaHeld', label: 'CUDA hold', noun: 'time under the GIL', count: 'count', column: 'held',
              what: 'time this code spent in calls of the CUDA driver without letting the GIL go' },
  cudablame: { ...NS, rows: 'cudaHeld', label: 'CUDA blame', noun: 'blame time', count: 'count', column: 'blamed',
               what: 'time other threads waited for the GIL while this code held it in a call of the CUDA driver' },
};

// What a frame is, by number.
export const FRAME_KINDS = ['python', 'native', 'inlined', 'synthetic'];
export const PYTHON = 0;
export const NATIVE = 1;
export const INLINED = 2;
export const SYNTHETIC = 3;

const ROW_INDEXES = ['process', 'thread', 'node'];
const ROW_VALUES = ['hold', 'hold_est', 'blame', 'wait', 'hold_n', 'wait_n'];
const ALLOC_VALUES = ['live', 'live_n', 'pinned'];
const CUDA_VALUES = ['live', 'peak', 'count'];
const CUDA_HELD_VALUES = ['held', 'blamed', 'count'];
const counted = (src) => src && { ...src, count: src.n }; // `n` is how many rows a table has

function readTexts(a, n, what) {
  if (a === undefined) return new Array(n).fill('');
  if (!Array.isArray(a) || a.length !== n) fail(what);
  return a.map(String);
}

// Reports without native frames do not tell kinds.
function readKinds(f, { n, file, func }) {
  if (f.kind === undefined) {
    return Uint8Array.from({ length: n }, (_, i) => (file[i] === '' && func[i].startsWith('(') ? SYNTHETIC : PYTHON));
  }
  if (!Array.isArray(f.kind) || f.kind.length !== n) fail('frames.kind');
  return Uint8Array.from(f.kind, (k, i) => {
    const kind = FRAME_KINDS.indexOf(k);
    if (kind < 0) fail('frames.kind[' + i + ']');
    return kind;
  });
}

function readFrames(raw) {
  const f = raw.frames || { file: [], func: [], line: [] };
  const n = f.func.length;
  if (f.file.length !== n) fail('frames.file');
  const line = column(f, 'line', n, Int32Array);
  const frames = { n, file: f.file.map(String), func: f.func.map(String), line };
  frames.kind = readKinds(f, frames);
  frames.module = readTexts(f.module, n, 'frames.module');
  frames.address = readTexts(f.address, n, 'frames.address');
  frames.hasNative = frames.kind.some((k) => k === NATIVE || k === INLINED);
  return frames;
}

// Node 0 is the root; a report without stacks still has it.
function readNodes(raw, nFrames) {
  const src = raw.nodes && raw.nodes.parent.length ? raw.nodes : { parent: [0], frame: [0] };
  const n = src.parent.length;
  const parent = column(src, 'parent', n, Int32Array);
  const frame = column(src, 'frame', n, Int32Array);
  parent[0] = 0;
  frame[0] = -1; // the root has no frame, whatever the file says
  for (let i = 1; i < n; i++) {
    if (!(parent[i] >= 0 && parent[i] < i)) fail('nodes.parent[' + i + ']');
    if (!(frame[i] >= 0 && frame[i] < nFrames)) fail('nodes.frame[' + i + ']');
  }
  return { n, parent, frame };
}

function readRows(raw, processes, nNodes) {
  const src = raw.rows || {};
  const n = (src.node || []).length;
  const rows = { n };
  for (const k of ROW_INDEXES) rows[k] = column(src, k, n, Int32Array);
  for (const k of ROW_VALUES) rows[k] = column(src, k, n, Float64Array);
  inRange(rows.process, 0, processes.length, 'rows.process');
  inRange(rows.node, 0, nNodes, 'rows.node');
  for (let i = 0; i < n; i++) {
    const t = rows.thread[i];
    if (!(t >= 0 && t < processes[rows.process[i]].threads.length)) fail('rows.thread[' + i + ']');
  }
  return rows;
}

function readChains(raw, nProcesses, nNodes) {
  const src = raw.chains || {};
  const n = (src.ns || []).length;
  const c = { n };
  for (const k of ['process', 'waiter', 'holder']) c[k] = column(src, k, n, Int32Array);
  for (const k of ['ns', 'count']) c[k] = column(src, k, n, Float64Array);
  inRange(c.process, 0, nProcesses, 'chains.process');
  inRange(c.waiter, 0, nNodes, 'chains.waiter');
  inRange(c.holder, 0, nNodes, 'chains.holder');
  return c;
}

function readProcess(p, nNodes) {
  p.threads = Array.isArray(p.threads) ? p.threads : [];
  p.blame = Array.isArray(p.blame) ? p.blame : [];
  p.edges = Array.isArray(p.edges) ? p.edges : [];
  p.cmdline = Array.isArray(p.cmdline) ? p.cmdline : [];
  p.gil = p.gil || {};
  p.memory = readMemory(p.memory, nNodes);
  p.cuda = readCuda(p.cuda, nNodes, p.duration_ns);
  p.counters = readCounters(p.counters);
  p.byThread = new Map(p.threads.map((t, i) => [t.thread, i]));
  const tl = p.timeline || {};
  p.timeline = { bin_ns: tl.bin_ns > 0 ? tl.bin_ns : 1, hold: tl.hold || [], wait: tl.wait || [] };
  const notes = p.notes || [];
  p.noteLines = (Array.isArray(notes) ? notes : String(notes).split('\n')).filter((s) => s);
  return p;
}

// `notes` is one string with newlines, and command lines may hold newlines too: split the former
// before newlines are made visible.
function splitNotes(raw) {
  for (const p of raw.processes || []) {
    if (p && typeof p.notes === 'string') p.notes = p.notes.split('\n').filter((s) => s);
  }
}

export function makeModel(raw) {
  if (!raw || typeof raw !== 'object') fail('not an object');
  const maps = raw.arena_maps; // numbers and base64, which is no text to make visible
  delete raw.arena_maps;
  splitNotes(raw);
  cleanStrings(raw);
  const frames = readFrames(raw);
  const nodes = readNodes(raw, frames.n);
  const processes = (raw.processes || []).map((p) => readProcess(p, nodes.n));
  const model = {
    version: String(raw.gilscope || '?'),
    engine: String(raw.engine || '?'),
    verdict: String(raw.verdict || ''),
    capture: raw.capture || {},
    findings: Array.isArray(raw.findings) ? raw.findings : [],
    processes, frames, nodes,
    rows: readRows(raw, processes, nodes.n),
    memory: readJobMemory(raw.memory),
    alloc: readStackRows(raw.alloc_rows, ALLOC_VALUES, processes.length, nodes.n, 'alloc_rows'),
    chains: readChains(raw, processes.length, nodes.n),
    arenaMaps: readArenaMaps(maps, processes.length, nodes.n),
    cuda: readJobCuda(raw.cuda),
    cudaRows: readStackRows(counted(raw.cuda_rows), CUDA_VALUES, processes.length, nodes.n, 'cuda_rows'),
    cudaHeld: readStackRows(counted(raw.cuda_held_rows), CUDA_HELD_VALUES, processes.length, nodes.n, 'cuda_held_rows'),
    cudaCurves: readCudaCurves(raw.cuda_stack_curves, processes, nodes.n),
    savings: readSavings(raw.savings, processes, nodes.n),
  };
  model.counted = readCountRows(raw.count_rows, processes, nodes.n);
  model.metrics = { ...METRICS, ...eventMetrics(model.counted) };
  model.total = totals(model);
  return model;
}

const SUMMED = ['hold_ns', 'wait_ns', 'open_hold_ns', 'open_wait_ns', 'acquisitions',
                'contended', 'forced_drops'];

function totals(model) {
  const t = { threads: 0, duration_ns: model.capture.duration_ns || 0, worst_wait_ns: 0 };
  for (const k of SUMMED) t[k] = 0;
  for (const p of model.processes) {
    for (const k of SUMMED) t[k] += p.gil[k] || 0;
    t.threads += p.threads.length;
    for (const th of p.threads) t.worst_wait_ns = Math.max(t.worst_wait_ns, th.wait_max_ns || 0);
  }
  return t;
}

// The rows of a metric; undefined or null where there are none.
export const tableOf = (model, table) => model[table] || model.counted.get(table);

// Self value of each node for one column of a table and a scope; process or thread -1 means all.
export function selfWeights(model, table, columnName, process, thread) {
  const out = new Float64Array(model.nodes.n);
  const rows = tableOf(model, table);
  const values = rows[columnName];
  for (let i = 0; i < rows.n; i++) {
    if (process >= 0 && rows.process[i] !== process) continue;
    if (thread >= 0 && rows.thread && rows.thread[i] !== thread) continue;
    out[rows.node[i]] += values[i];
  }
  return out;
}

// innermost first, without the root
export function stackOf(nodes, node) {
  const out = [];
  for (let i = node; i > 0; i = nodes.parent[i]) out.push(nodes.frame[i]);
  return out;
}

// The first of the metrics that the stack, or what it calls, has some of; null: none.
export function metricOf({ nodes, rows }, node) {
  const inside = new Uint8Array(nodes.n);
  inside[node] = 1;
  for (let i = node + 1; i < nodes.n; i++) inside[i] = inside[nodes.parent[i]];
  return ['blame', 'hold', 'wait'].find((m) => rows.node.some((n, i) => inside[n] && rows[m][i] > 0)) || null;
}

export function isSynthetic(frames, f) {
  return f >= 0 && frames.kind[f] === SYNTHETIC;
}

export function shortPath(path) {
  const cut = path.replace(/^.*\/(?:site-packages|dist-packages)\//, '')
                  .replace(/^.*\/lib(?:64)?\/python3\.\d+t?\//, '');
  const parts = cut.split('/');
  return parts.length > 3 ? '…/' + parts.slice(-3).join('/') : cut;
}

export function frameName(frames, f) {
  return f < 0 ? 'all' : frames.func[f] || '(unnamed)';
}

const baseName = (path) => path.slice(path.lastIndexOf('/') + 1);
// A function nobody knows: its name is the address and the module.
const isRaw = (frames, f) => frames.kind[f] === NATIVE && frames.func[f].startsWith('0x');

// "server.py:42"; the module of a native function whose source is not known
export function framePlace(frames, f) {
  if (f < 0) return '';
  if (!frames.file[f]) return isRaw(frames, f) ? '' : baseName(frames.module[f]);
  const parts = frames.file[f].split('/');
  const last = parts[parts.length - 1]; // every package has an __init__.py: say whose
  const base = last.startsWith('__') && parts.length > 1 ? parts[parts.length - 2] + '/' + last : last;
  return frames.line[f] >= 0 ? base + ':' + frames.line[f] : base;
}

export function framePath(frames, f) {
  if (f < 0) return '';
  if (!frames.file[f]) return frames.module[f];
  return frames.file[f] + (frames.line[f] >= 0 ? ':' + frames.line[f] : '');
}

export function threadLabel(process, index) {
  const t = process && process.threads[index];
  if (!t) return 'other threads';
  return t.name || 'thread ' + t.thread;
}

// What the interpreter was asked to run: a script, "-m module" or "-c".
function programOf(p) {
  const args = p.cmdline;
  for (let i = 1; i < args.length; i++) {
    if (args[i] === '-X' || args[i] === '-W') i++; // their value follows
    else if (args[i] === '-m') return '-m ' + (args[i + 1] || '');
    else if (args[i] === '-c') return 'python -c …';
    else if (!args[i].startsWith('-')) return args[i].slice(args[i].lastIndexOf('/') + 1);
  }
  return String(p.exe || '').slice(String(p.exe || '').lastIndexOf('/') + 1);
}

export function processLabel(p) {
  const program = visibleText(programOf(p), 60);
  return program ? program + ' (pid ' + p.pid + ')' : 'pid ' + p.pid;
}
