// SPDX-License-Identifier: MIT
// Native frames and counters for the made-up report.

const NUMPY = '/usr/lib/python3/numpy/core/_multiarray_umath.so';
const PYTHON = '/usr/lib/libpython3.12.so.1.0';

// [func, file, line, kind, module, address], outermost first
const STACK = [['main', '', -1, 'native', '/usr/bin/python3.12', '0x1040'],
               ['Py_RunMain', '', -1, 'native', PYTHON, '0x2b3a10'],
               ['sort_rows', 'app/sort.py', 12, 'python', '', ''],
               ['array_argsort', '', -1, 'native', NUMPY, '0x8c120'],
               ['(anonymous namespace)::introsort', 'npysort/quicksort.cpp', 88, 'native', NUMPY, '0x91044'],
               ['swap', 'npysort/npysort_common.h', 31, 'inlined', NUMPY, '0x91050'],
               ['0x4321 (libblas.so.3)', '', -1, 'native', '/usr/lib/libblas.so.3', '0x4321']];

export function addNative(report) {
  const { frames, nodes, rows } = report;
  frames.kind = frames.func.map((f, i) => (frames.file[i] === '' && f.startsWith('(') ? 'synthetic' : 'python'));
  frames.module = frames.func.map(() => '');
  frames.address = frames.func.map(() => '');
  let node = 0;
  for (const [func, file, line, kind, module, address] of STACK) {
    for (const [k, v] of Object.entries({ func, file, line, kind, module, address })) frames[k].push(v);
    nodes.parent.push(node);
    nodes.frame.push(frames.func.length - 1);
    node = nodes.parent.length - 1;
  }
  for (const [k, v] of Object.entries({ process: 0, thread: 0, node, hold: 8e8, hold_est: 0, blame: 7e8, wait: 0, hold_n: 9, wait_n: 0 })) rows[k].push(v);
  return report;
}

const counted = (event, thread, count, holding, waiting, off, of = 1) => ({
  event, thread, tid: 4200 + thread, count, scaled: Math.round(count / of), enabled_ns: of < 1 ? 1e9 : 0, running_ns: of < 1 ? of * 1e9 : 0,
  holding, waiting, off_gil: off, shared: Math.round(holding / 50) });

export function addCounters(report) {
  report.processes[0].counters = {
    events: [{ event: 'cycles', source: 'perf_user', count: 9e9, holding: 6e9, waiting: 1e9, off_gil: 2e9, untold: 0 },
             { event: 'instructions', source: 'perf', count: 12e9, holding: 9e9, waiting: 1e9, off_gil: 2e9, untold: 0 },
             { event: 'context-switches', source: 'kernel', count: 5200, holding: 100, waiting: 4800, off_gil: 200, untold: 100 },
             { event: 'task-clock', source: 'perf', count: 31e8, holding: 2e9, waiting: 1e8, off_gil: 1e9, untold: 0 },
             { event: 'LLC-load-misses', source: 'none', why_not: 'this machine has no such event', count: 0, holding: 0, waiting: 0, off_gil: 0, untold: 0 }],
    threads: [counted('cycles', 0, 1e9, 8e8, 1e8, 1e8, 0.5), counted('instructions', 0, 2e9, 16e8, 1e8, 3e8, 0.5),
              counted('cycles', 1, 7e9, 44e8, 8e8, 18e8), counted('instructions', 1, 8e9, 58e8, 8e8, 14e8),
              counted('context-switches', 1, 5200, 100, 4800, 200), counted('task-clock', 99, 31e8, 2e9, 1e8, 1e9)],
    instructions_per_cycle: { holding: 1.5, waiting: 1, off_gil: 1 }, switches_per_handoff: 1.3 };
  const { node } = report.rows;
  report.count_rows = { process: [0, 0, 0, 0], event: [0, 0, 2, 3], node: [node[0], node[1], node[0], node[1]],
                        holding: [5e9, 1e9, 100, 2e9], waiting: [1e9, 0, 4800, 1e8], off_gil: [0, 2e9, 200, 1e9], estimated: [0, 1e9, 0, 0] };
  return report;
}
