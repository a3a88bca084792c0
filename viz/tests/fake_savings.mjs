// SPDX-License-Identifier: MIT
// Made-up predictions for made-up reports. The story: six workers parse behind one lock around a cache;
// five eighths of what they waited for the GIL becomes running, most of the rest waits for that lock.
// Numbers agree as a true prediction's do: what the GIL wait became adds up to it.

const CACHE = [['app/worker.py', 'Worker.handle', 58], ['app/cache.py', 'Cache.get', 31]];

const CURVE = [[1, 1.02, 0.88, 0.95, 0.99, 0.7], [2, 2.01, 1.24, 1.6, 1.81, 1.1], [4, 3.6, 1.9, 2.5, 3.0, 1.5], [8, 5.1, 2.6, 3.4, 4.1, 1.9],
    [16, 9.8, 2.6, 3.5, 4.3, 1.9]];

const S = 1e9;
const ns = (s) => Math.round(s * S);

// [kind, what, recorded, became]
const PARTS = [
  ['python', '', 8.2, 40.2], ['native', '', 1.3, 3.8], ['lock', '', 0, 0.2], ['queue', '', 0, 0], ['wake', '', 0.4, 0.6], ['latency', '', 2.1, 0],
  ['core', '', 0.3, 0.4], ['idle', '', 1.2, 3.3], ['lock', 'lock at cache.py:31 Cache.get', 0.4, 9.8], ['queue', 'queue at server.py:88 dispatch', 1.1, 4.1],
  ['lock', 'lock at log.py:12 write', 1.9, -1.2]];

function makeParts(node) {
  return PARTS.map(([kind, what, recorded, became]) => ({
    kind, what, recorded_ns: ns(recorded), became_ns: ns(became), predicted_ns: Math.round(((recorded + became) * S) / 3.4), node: what.includes('Cache')
        ? node : 0 }));
}

const point = ([cores, max, p10, p50, p90, floor], said) => ({
  cores, s_max: max, s_cond_min: floor, ...(said ? { s_p10: p10, s_p50: p50, s_p90: p90 } : { s_p10: null, s_p50: null, s_p90: null }) });

const MODULES = [
  { path: '/site-packages/numpy/_core/_multiarray_umath.cpython-314-x86_64-linux-gnu.so', gil: 'not needed', why: '' },
  { path: '/site-packages/foo/_ext.cpython-314-x86_64-linux-gnu.so', gil: 'not said', why: '' },
  { path: '/site-packages/old/_speed.cpython-314-x86_64-linux-gnu.so', gil: 'unknown',
      why: 'it is set up in one phase; built for a Python with the GIL it cannot say' }];

const MIB = 1 << 20;

function makeProcess(report, t, process, { why_not, modules, calibrated }) {
  const said = !why_not;
  const { pid, cmdline } = report.processes[process];
  const node = t.stack(CACHE);
  const blocked = modules.some((m) => m.gil === 'not said');
  return {
    process, pid, command: cmdline.join(' '), threads: 8, wall_ns: ns(9.6), py_ns: ns(8.2), native_ns: ns(1.3), latency_ns: ns(2.1), blocked_ns: ns(3.8),
    gil_wait_ns: ns(61.2), extensions: modules.map((m) => m.path), extension_modules: modules, ...point(CURVE[3], said), s_max_if_not_faster: 4.4,
    grade: said ? (calibrated ? 'A' : 'B') : 'C', mode: calibrated ? 'calibrated' : 'prior', verdict: blocked ? 'blocked' : said ? 'gain' : 'insufficient',
    why_not: why_not || '', limited_by: 'lock at cache.py:31 Cache.get', break_even_cores: said ? 2 : 0, core_time: 1.09,
    curve: CURVE.slice(0, 4).map((p) => point(p, said)), if_gil_is_back: { s_p10: 0.82, s_p50: 0.926, s_p90: 1 },
    driven_by: { s: 0.58, threads: 0.04, cap: 0.22, wake: 0.01, policy: 0.13, latency: 0.02 },
    migration: { gil_wait_ns: ns(61.2), lock_wait_ns: ns(3.2), queue_wait_ns: ns(1.5), wake_wait_ns: ns(0.3), makespan_ns: ns(2.82), parts: makeParts(node) },
    s_median: 3.45,
    what_if: said ? [{ what: 'without waiting for lock at cache.py:31 Cache.get', s: 5.02, node }, { what: 'with Python no slower per thread', s: 3.7,
        node: 0 },
                     { what: 'with a core for each thread', s: 3.45, node: 0 }] : [],
  };
}

export function addSavings(report, t, { why_not = null, modules = [MODULES[0]], calibrated = false, memory = true, processes = report.processes.length } = {}) {
  const list = report.processes.slice(0, processes).map((_, i) => makeProcess(report, t, i, { why_not: i ? 'it has no turns of the GIL' : why_not, modules,
      calibrated }));
  report.savings = { target: '3.14t', processes: list };
  if (memory) {
    Object.assign(report.savings, {
      memory: { now_bytes: 6041 * MIB, threads_bytes: { p10: 1946 * MIB, p50: 2253 * MIB, p90: 2867 * MIB }, cuda_now_bytes: 3482 * MIB,
          cuda_threads_bytes: { p10: 426 * MIB, p50: 440 * MIB, p90: 480 * MIB },
                processes: 8 },
      multiprocess_tax: { pickle_ns: ns(4.1), ipc_ns: ns(1.3), duplicated_bytes: 812 * MIB } });
  }
  const at = list[0];
  report.findings.unshift({
    id: 'savings', severity: why_not ? 'low' : 'high', process: 0, thread: -1, node: -1, evidence: { ns: 0, of_ns: 0 },
    claim: 'On free-threaded Python 3.14t and 8 cores this program would gain: ' + at.s_p50 + ' times as fast [p10 2.60, p90 4.10], grade ' + at.grade + '.',
    suggestion: 'What limits it then: lock at cache.py:31 Cache.get.' });
  return report;
}

export const BLOCKING = MODULES;

// Text wherever a capture can put some, and numbers that cannot be.
export function hostileSavings(report, text) {
  const s = report.savings;
  const p = s.processes[0];
  Object.assign(p, { limited_by: text, command: text, gil_wait_ns: ns(61.2) });
  p.what_if[0] = { what: text, s: 5, node: 1e9 };
  p.what_if.push({ what: text, s: Infinity, node: 'constructor' }, null);
  p.driven_by = { [text]: 0.5, __proto__x: 0.2, s: -4 };
  p.extension_modules = [{ path: '/tmp/' + text, gil: 'constructor', why: text }, { path: text.repeat(300), gil: 'not said', why: '' }];
  p.migration.parts.push({ kind: 'constructor', what: text, became_ns: 5 }, { kind: 'lock', what: text, recorded_ns: 5e9, became_ns: -7e9, node: -3 });
  p.curve.push({ cores: 1e12, s_max: -1, s_p10: 'x', s_p50: NaN }, { cores: 0, s_max: 3 });
  s.target = text;
  s.processes.push({ process: 99 }, { process: -1 }, null, 7);
  s.memory.threads_bytes = null;
  return report;
}
