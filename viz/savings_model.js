// SPDX-License-Identifier: MIT
// What free-threaded Python would bring, in the report's JSON, checked once. Numbers of speed that
// make no sense become NaN, which is what is not said; what is used as an index is proven in range. Pure.
import { size, sizes, list, objects, textOrNull, nodeOf } from './checks.js';

const textOf = (v) => textOrNull(v) || '';
const oneOf = (v, known, other) => (known.includes(v) ? v : other);
export const ratioOf = (v) => (typeof v === 'number' && v >= 0 && v < 1e9 ? v : NaN);
const signed = (v) => (typeof v === 'number' && Math.abs(v) < 2 ** 63 ? v : 0);

// Where the time of all threads goes, in the order it is drawn. The last one is only in the recording.
export const TIMES = [
  { kind: 'python', label: 'running Python', part: 'python' }, { kind: 'native', label: 'running native code', part: 'native' },
  { kind: 'lock', label: 'waiting for locks', part: 'lock' }, { kind: 'queue', label: 'waiting for queues', part: 'queue' },
  { kind: 'wake', label: 'waiting for another thread’s word', part: 'wakeup' }, { kind: 'latency', label: 'in I/O or asleep', part: 'latency' },
  { kind: 'core', label: 'waiting for a core, or to be woken', part: 'core' },
  { kind: 'idle', label: 'not begun, or ended', part: 'idle' }, { kind: 'gil', label: 'waiting for the GIL', part: 'gil' }];

export const DRIVERS = {
  s: 's: what the same work takes in free-threaded Python', threads: 's of several threads, when one was measured',
  cap: 'what several busy cores do together', wake: 'how long waking a thread takes', policy: 'who gets a lock that is let go',
  latency: 'how long what is outside of the process takes' };

export const VERDICTS = ['gain', 'neutral', 'loss', 'blocked', 'insufficient'];
export const ANSWERS = ['not needed', 'not said', 'unknown'];

function readSpeed(c) {
  return { cores: Math.max(1, Math.min(1024, Math.round(size(c.cores)) || 1)), max: ratioOf(c.s_max), floor: ratioOf(c.s_cond_min),
           p10: ratioOf(c.s_p10), p50: ratioOf(c.s_p50), p90: ratioOf(c.s_p90) };
}

// {kind, what, node, recorded_ns, became_ns, then_ns}: then in as long a time without the GIL.
function readParts(m, nNodes) {
  const known = TIMES.filter((t) => t.kind !== 'gil').map((t) => t.kind);
  return objects(m.parts).filter((p) => known.includes(p.kind)).map((p) => {
    const recorded = signed(p.recorded_ns);
    const became = signed(p.became_ns);
    return { kind: p.kind, what: textOf(p.what), node: nodeOf(p.node, nNodes), recorded_ns: recorded, became_ns: became, then_ns: recorded + became };
  });
}

function readChange(c, nNodes) {
  return { what: textOf(c.what), s: ratioOf(c.s), now: ratioOf(c.now), node: nodeOf(c.node, nNodes) };
}

function readModule(m) {
  return { path: textOf(m.path), gil: oneOf(m.gil, ANSWERS, 'unknown'), why: textOf(m.why) };
}

function readDrivers(d) {
  return Object.entries(d && typeof d === 'object' ? d : {}).map(([key, share]) => ({ key, share: ratioOf(share) }))
    .filter((r) => r.share > 0).map((r) => ({ ...r, text: Object.prototype.hasOwnProperty.call(DRIVERS, r.key) ? DRIVERS[r.key] : r.key }))
    .sort((a, b) => b.share - a.share);
}

const RANGE = ['p10', 'p50', 'p90'];

// Processes that become threads of one; null where nothing is said.
export function readSavedMemory(m) {
  if (!m || typeof m !== 'object') return null;
  const out = {
    ...sizes(m, ['now_bytes', 'cuda_now_bytes', 'processes']),
    threads: sizes(m.threads_bytes, RANGE), cuda_threads: sizes(m.cuda_threads_bytes, RANGE),
  };
  return out.now_bytes || out.cuda_now_bytes ? out : null;
}

export function readTax(t) {
  if (!t || typeof t !== 'object') return null;
  const out = sizes(t, ['pickle_ns', 'ipc_ns', 'duplicated_bytes']);
  return out.pickle_ns || out.ipc_ns || out.duplicated_bytes ? out : null;
}

const TIMES_KNOWN = ['threads', 'wall_ns', 'py_ns', 'native_ns', 'latency_ns', 'blocked_ns', 'gil_wait_ns', 'break_even_cores'];

function readOne(p, nNodes) {
  const m = p.migration && typeof p.migration === 'object' ? p.migration : {};
  const back = p.if_gil_is_back && typeof p.if_gil_is_back === 'object' ? p.if_gil_is_back : {};
  return {
    ...sizes(p, TIMES_KNOWN), at: readSpeed(p), max_if_not_faster: ratioOf(p.s_max_if_not_faster), median: ratioOf(p.s_median),
    grade: oneOf(p.grade, ['A', 'B', 'C'], 'C'), mode: oneOf(p.mode, ['calibrated', 'prior'], 'prior'), verdict: oneOf(p.verdict, VERDICTS, 'insufficient'),
    why_not: textOf(p.why_not), limited_by: textOf(p.limited_by), core_time: ratioOf(p.core_time),
    curve: objects(p.curve).map(readSpeed).sort((a, b) => a.cores - b.cores), drivers: readDrivers(p.driven_by),
    back: { p10: ratioOf(back.s_p10), p50: ratioOf(back.s_p50), p90: ratioOf(back.s_p90) },
    parts: readParts(m, nNodes), changes: objects(p.what_if).map((c) => readChange(c, nNodes)).filter((c) => c.s >= 0),
    modules: objects(p.extension_modules).map(readModule),
  };
}

// {target, memory, tax}; each process's part is put into it as `savings`. Null: it was not asked for.
export function readSavings(raw, processes, nNodes) {
  for (const p of processes) p.savings = null;
  if (!raw || typeof raw !== 'object') return null;
  for (const p of objects(raw.processes)) {
    if (Number.isInteger(p.process) && p.process >= 0 && p.process < processes.length) processes[p.process].savings = readOne(p, nNodes);
  }
  const first = list(raw.processes)[0] || {};
  return { target: textOf(raw.target), memory: readSavedMemory(raw.memory || first.memory), tax: readTax(raw.multiprocess_tax || first.multiprocess_tax) };
}

// What the page says a number is worth.
export const hasNumber = (s) => s.grade !== 'C' && s.at.p50 >= 0;
