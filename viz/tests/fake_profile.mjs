// SPDX-License-Identifier: MIT
// Made-up report data, the same for the same seed: small stories to look at, hostile names, empty
// captures, and trees of any size to measure with.
import { MEMORY_STACKS, addMemory, hostileMemory, noArenas } from './fake_memory.mjs';
import { BLOCKING, addSavings, hostileSavings } from './fake_savings.mjs';
import { addCuda, hostileCuda, noCuda } from './fake_cuda.mjs';
import { addNative, addCounters } from './fake_native.mjs';

function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const BOOT = [['/usr/lib/python3.12/threading.py', 'Thread._bootstrap', 1032],
              ['/usr/lib/python3.12/threading.py', 'Thread._bootstrap_inner', 1075],
              ['/usr/lib/python3.12/threading.py', 'Thread.run', 1012]];

const STORIES = [
  ['parse', [['app/worker.py', 'Worker.loop', 41], ['app/worker.py', 'Worker.handle', 58],
             ['/usr/lib/python3.12/json/__init__.py', 'loads', 346],
             ['/usr/lib/python3.12/json/decoder.py', 'JSONDecoder.decode', 337],
             ['/usr/lib/python3.12/json/decoder.py', 'JSONDecoder.raw_decode', 353]], 10, 9, 4],
  ['regex', [['app/worker.py', 'Worker.loop', 41], ['app/worker.py', 'Worker.handle', 63],
             ['app/clean.py', 'normalise', 17], ['/usr/lib/python3.12/re/__init__.py', 'sub', 186]], 4, 4, 3],
  ['rows', [['app/worker.py', 'Worker.loop', 41], ['app/worker.py', 'Worker.handle', 66],
            ['/site-packages/sqlalchemy/engine/result.py', 'Result.fetchall', 1311],
            ['/site-packages/sqlalchemy/engine/result.py', 'Result._allrows', 548]], 3, 2, 3],
  ['serve', [['app/server.py', '<module>', 3], ['app/server.py', 'main', 24],
             ['/site-packages/uvicorn/server.py', 'Server.run', 65],
             ['/usr/lib/python3.12/asyncio/runners.py', 'Runner.run', 118],
             ['/usr/lib/python3.12/asyncio/base_events.py', 'BaseEventLoop.run_forever', 641],
             ['app/server.py', 'dispatch', 88], ['app/views.py', 'Orders.get', 132]], 2, 1, 9],
  ['select', [['app/server.py', '<module>', 3], ['app/server.py', 'main', 24],
              ['/site-packages/uvicorn/server.py', 'Server.run', 65],
              ['/usr/lib/python3.12/selectors.py', 'EpollSelector.select', 468]], 1, 0.3, 6],
  ['metrics', [['app/metrics.py', 'Flusher.run', 12], ['app/metrics.py', 'Flusher.flush', 30],
               ['/usr/lib/python3.12/socket.py', 'socket.sendall', 0]], 0.4, 0.2, 2],
];

function makeTables() {
  const t = { frames: { file: [], func: [], line: [] }, nodes: { parent: [0], frame: [0] } };
  const frameIds = new Map();
  const nodeIds = new Map();
  const frame = (file, func, line) => {
    const key = file + '\0' + func + '\0' + line;
    if (!frameIds.has(key)) {
      frameIds.set(key, t.frames.func.length);
      t.frames.file.push(file);
      t.frames.func.push(func);
      t.frames.line.push(line);
    }
    return frameIds.get(key);
  };
  const node = (parent, f) => {
    const key = parent * 1e7 + f;
    if (!nodeIds.has(key)) {
      nodeIds.set(key, t.nodes.parent.length);
      t.nodes.parent.push(parent);
      t.nodes.frame.push(f);
    }
    return nodeIds.get(key);
  };
  t.stack = (list) => list.reduce((up, [file, func, line]) => node(up, frame(file, func, line)), 0);
  return t;
}

function emptyRows() {
  return { process: [], thread: [], node: [], hold: [], hold_est: [], blame: [], wait: [], hold_n: [], wait_n: [] };
}

function pushRow(rows, r) {
  for (const k of Object.keys(rows)) rows[k].push(Math.round(r[k] || 0));
}

function makeThread(i, name, rnd) {
  return { thread: i, tid: 4200 + i, name, gil: 0, hold_ns: 0, wait_ns: 0, acquisitions: 0, releases: 0,
           contended: 0, cpu_ns: 0, runqueue_ns: Math.round(rnd() * 3e7), wait_p50_ns: Math.round(2e5 + rnd() * 5e6),
           wait_p99_ns: Math.round(1e7 + rnd() * 3e7), wait_max_ns: Math.round(5e7 + rnd() * 9e7), blamed_ns: 0 };
}

function addThreadRows(out, t, names, rnd, p) {
  names.forEach((name, i) => {
    const thread = makeThread(i, name, rnd);
    const kinds = i === 0 ? ['serve', 'select'] : name === 'metrics' ? ['metrics'] : ['parse', 'regex', 'rows'];
    for (const [kind, stack, hold, blame, wait] of STORIES) {
      if (!kinds.includes(kind)) continue;
      const node = t.stack(i === 0 ? stack : [...BOOT, ...stack]);
      const v = { process: p, thread: i, node, hold: hold * 5e7 * (0.6 + rnd()), blame: blame * 1.1e8 * (0.6 + rnd()),
                  wait: wait * 7e7 * (0.6 + rnd()), hold_n: 4000 * rnd() + 200, wait_n: 900 * rnd() + 20 };
      v.hold_est = kind === 'regex' ? v.hold * 0.3 : 0;
      pushRow(out.rows, v);
      thread.hold_ns += Math.round(v.hold);
      thread.wait_ns += Math.round(v.wait);
      thread.blamed_ns += Math.round(v.blame);
      thread.acquisitions += Math.round(v.hold_n);
      thread.contended += Math.round(v.wait_n);
    }
    thread.releases = thread.acquisitions;
    thread.cpu_ns = Math.round(thread.hold_ns * 1.04);
    out.threads.push(thread);
  });
}

function makeTimeline(rnd, bins, threads) {
  const bin = 2.5e7;
  const hold = [];
  const wait = [];
  for (let b = 0; b < bins; b++) {
    const busy = 0.55 + 0.4 * Math.sin(b / 23) * Math.sin(b / 7.3) + 0.25 * (rnd() - 0.5) + (b > bins * 0.6 && b < bins * 0.75 ? 0.4 : 0);
    const held = Math.max(0.02, Math.min(1, busy));
    hold.push(Math.round(held * bin));
    wait.push(Math.round(held ** 3 * (threads - 1) * 0.7 * bin * (0.7 + 0.6 * rnd())));
  }
  return { bin_ns: bin, hold, wait };
}

function makeBlame(threads, rnd) {
  const out = [];
  const blamed = threads.reduce((s, t) => s + t.blamed_ns, 0) || 1;
  for (const w of threads) {
    for (const h of threads) {
      if (w === h) continue;
      const ns = Math.round((w.wait_ns * h.blamed_ns * (0.5 + rnd())) / blamed);
      if (ns > 0) out.push({ waiter: w.thread, holder: h.thread, waiter_tid: w.tid, holder_tid: h.tid, ns });
    }
  }
  return out;
}

function gilOf(threads) {
  const sum = (k) => threads.reduce((s, t) => s + t[k], 0);
  return { hold_ns: sum('hold_ns'), wait_ns: sum('wait_ns'), open_hold_ns: 0, open_wait_ns: 120000,
           acquisitions: sum('acquisitions'), contended: sum('contended'), forced_drops: 812,
           wait_hist: [], hold_hist: [] };
}

function makeProcess(t, rows, p, options, rnd) {
  const names = ['MainThread', ...Array.from({ length: options.threads - 2 }, (_, i) => 'worker-' + (i + 1)), 'metrics'];
  const out = { rows, threads: [] };
  addThreadRows(out, t, names.slice(0, Math.max(1, options.threads)), rnd, p);
  return { pid: 4200 + p * 10, ppid: p ? 4200 : 1, exe: '/usr/bin/python3.12', python: '3.12.7', free_threaded: false,
           cmdline: ['python3', '-X', 'importtime', 'app/server.py', '--workers', '6'], start_unix_ns: 1767225600e9,
           gil: gilOf(out.threads), gils: [], threads: out.threads, blame: makeBlame(out.threads, rnd),
           timeline: makeTimeline(rnd, 320, options.threads),
           edges: [{ waker: 0, wakee: 1, blocked_ns: 2.1e9, count: 4211 }, { waker: 1, wakee: 2, blocked_ns: 3e8, count: 88 }],
           notes: p ? null : 'level 1 -> 0 for 1.2 s: overhead above its budget\nlevel 0 -> 1' };
}

function makeChains(t, rnd) {
  const c = { process: [], waiter: [], holder: [], ns: [], count: [] };
  const at = (k, boot) => t.stack(boot ? [...BOOT, ...STORIES[k][1]] : STORIES[k][1]);
  const pairs = [[3, 0], [1, 0], [0, 1], [2, 0], [3, 1], [4, 0], [5, 0], [0, 2], [1, 2], [3, 2]];
  pairs.forEach(([w, h], i) => {
    c.process.push(0);
    c.waiter.push(at(w, w !== 3 && w !== 4));
    c.holder.push(at(h, true));
    c.ns.push(Math.round(6e8 / (i + 1)));
    c.count.push(Math.round(300 / (i + 1) + rnd() * 20));
  });
  return c;
}

function findings(t, threads) {
  const parse = t.stack([...BOOT, ...STORIES[0][1]]);
  return [
    { id: 'gil-blame-stack', severity: 'high', process: -1, thread: -1, node: parse,
      claim: 'JSONDecoder.raw_decode (decoder.py:353) made others wait 4.9 s.', evidence: { blame_ns: 4.9e9 }, ns: 4.9e9, of_ns: 8.1e9,
      suggestion: 'Parse in fewer, larger pieces off the GIL: orjson releases it less often but is 6 times faster; or move parsing to a process pool.' },
    { id: 'gil-wait-thread', severity: 'medium', process: 0, thread: 0, node: -1,
      claim: 'MainThread waited 1.1 s for the GIL, 26 % of its life; 1 wait in 100 took over 31 ms.', evidence: { wait_ns: 1.1e9 }, ns: 1.1e9, of_ns: 4.2e9,
      suggestion: 'An event loop starved by worker threads answers late: keep CPU work out of its process.' },
    { id: 'gil-hold-long', severity: 'low', process: 0, thread: Math.min(2, threads - 1), node: t.stack([...BOOT, ...STORIES[1][1]]),
      claim: 'normalise (clean.py:17) held the GIL 38 ms in one turn.', evidence: { hold_ns: 38e6 }, ns: 38e6, of_ns: 0,
      suggestion: 'A single C call cannot be interrupted: split the text before re.sub.' },
    { id: 'memory-pinned', severity: 'medium', process: 0, thread: -1, node: t.stack(MEMORY_STACKS.cache),
      claim: '83 % of 97.0 MiB in arenas is free but pinned; 91 % of it by blocks allocated at cache.py:57.',
      evidence: { ns: 0, of_ns: 0, bytes: 84227072, of_bytes: 101711872 },
      suggestion: 'Make what lives long before what dies soon.' },
  ];
}

export function fakeReport({ seed = 1, processes = 1, threads = 8, memory = {}, cuda = null, savings = null } = {}) {
  const rnd = random(seed);
  const t = makeTables();
  const rows = emptyRows();
  const list = Array.from({ length: processes }, (_, p) => makeProcess(t, rows, p, { threads }, rnd));
  const report = { gilscope: '0.1.0', engine: 'cpu',
           verdict: '6 worker threads lost 38 % of their time to the GIL; 61 % of it while JSONDecoder.raw_decode (decoder.py:353) held it.',
           capture: { format: '1.0', files: processes, duration_ns: 8e9, complete: true, lost_events: 0, overhead_ns: 31e6,
                      overhead_pct: 0.41, settings: { level: '1', what: 'gil', stacks: 'python', out: 'gilscope-4200.gsc' } },
           processes: list, top_holders: [], top_waiters: [], findings: findings(t, threads), frames: t.frames, nodes: t.nodes,
           rows, chains: makeChains(t, rnd) };
  if (memory) addMemory(report, t, memory);
  if (savings) addSavings(report, t, savings);
  return cuda ? addCuda(report, t, cuda) : report;
}

export function cudaReport({ processes = 1, ...cuda } = {}) {
  return fakeReport({ processes, cuda });
}

// With native stacks and counters.
export function nativeReport() {
  return addCounters(addNative(fakeReport()));
}

// With extension modules that bring the GIL back: modules: BLOCKING.
export function savingsReport({ processes = 1, blocked = false, ...savings } = {}) {
  return fakeReport({ processes, savings: blocked ? { modules: BLOCKING, ...savings } : savings });
}

// libcuda could not be recorded; a report all the same.
export function noCudaReport(why = 'libcuda.so.1 is older than 11.3') {
  const r = fakeReport();
  r.processes[0].cuda = noCuda(why);
  return r;
}

// Thousands of arenas, of which the analyzer left some out.
export function arenasReport() {
  return fakeReport({ memory: { counts: { boot: 300, burst: 1500, gone: 200 }, samples: 40, snapshots: 8, alloc: false, leftOut: 1234 } });
}

export const HOSTILE = {
  script: '</script><script>window.pwned=1</script>',
  image: '<img src=x onerror="window.pwned=1">',
  bidi: 'safe\u202e\u2066gnp.exe\u0000\u001b[31m',
  comment: '<!--<script>',
  long: 'long_name_'.repeat(1000000), // 10 MB
};

// Hostile text wherever a capture can put text.
export function hostileReport() {
  const r = addCounters(addNative(fakeReport({ threads: 8, cuda: {}, savings: {} })));
  const names = Object.values(HOSTILE);
  names.forEach((n, i) => {
    r.frames.func[i + 3] = n;
    r.frames.file[i + 3] = '/tmp/' + n;
    r.processes[0].threads[i].name = n;
  });
  r.frames.module = r.frames.module.map((m) => m && HOSTILE.image + HOSTILE.bidi);
  r.processes[0].counters.events.concat(r.processes[0].counters.threads).forEach((e) => { e.event = HOSTILE.image; });
  r.verdict = HOSTILE.image + ' ' + HOSTILE.bidi;
  r.processes[0].cmdline = names;
  r.processes[0].notes = HOSTILE.script;
  r.capture.settings = { [HOSTILE.image]: HOSTILE.script, __proto__x: '1' };
  r.findings[0].claim = HOSTILE.script;
  r.findings[0].severity = 'constructor';
  r.findings[0].suggestion = 'javascript:alert(1) ' + HOSTILE.image;
  return hostileSavings(hostileCuda(hostileMemory(r, HOSTILE.image), HOSTILE.image), HOSTILE.image);
}

export function emptyReport() {
  return { gilscope: '0.1.0', engine: 'cpu', verdict: '', findings: [], processes: [],
           capture: { format: '1.0', files: 1, duration_ns: 0, complete: false, lost_events: 0, overhead_ns: 0, overhead_pct: 0, settings: {} },
           frames: { file: [], func: [], line: [] }, nodes: { parent: [0], frame: [0] }, rows: emptyRows(),
           chains: { process: [], waiter: [], holder: [], ns: [], count: [] } };
}

export function freeThreadedReport() {
  const r = emptyReport();
  r.verdict = 'Free-threaded Python: there is no GIL to wait for.';
  r.capture.complete = true;
  r.capture.duration_ns = 2e9;
  r.processes = [{ pid: 7, ppid: 1, exe: '/opt/python3.13t', cmdline: ['python3.13t', 'a.py'], python: '3.13.1', free_threaded: true,
                   gil: {}, gils: [], threads: [], blame: [], edges: [], timeline: { bin_ns: 1e7, hold: [], wait: [] },
                   memory: noArenas('free-threaded Python uses mimalloc, which has no arenas') }];
  return r;
}

// A random tree of `n` nodes over 20,000 functions, shaped like real ones: deep, few heavy paths.
export function bigReport({ n = 1000000, names = 20000, seed = 7 } = {}) {
  const rnd = random(seed);
  const r = fakeReport({ seed, memory: null });
  const frames = { file: [], func: [], line: [] };
  for (let f = 0; f < names; f++) {
    frames.file.push('/srv/app/package' + (f % 97) + '/module_' + (f % 1009) + '.py');
    frames.func.push('Class' + (f % 501) + '.method_' + f);
    frames.line.push(1 + (f % 900));
  }
  const parent = new Array(n).fill(0);
  const frame = new Array(n).fill(0);
  const depth = new Int32Array(n);
  const rows = emptyRows();
  for (let i = 1; i < n; i++) {
    let up = rnd() < 0.75 ? Math.max(0, i - 1 - Math.floor(rnd() * 40)) : Math.floor(rnd() * i);
    while (depth[up] > 60) up = parent[up];
    parent[i] = up;
    frame[i] = Math.floor(rnd() * names);
    depth[i] = depth[up] + 1;
  }
  for (let i = 1; i < n; i++) {
    const w = Math.exp(8 + 6 * rnd());
    pushRow(rows, { process: 0, thread: i % 8, node: i, hold: w, blame: w * rnd(), wait: w * rnd(), hold_n: 3, wait_n: 1 });
  }
  return { ...r, frames, nodes: { parent, frame }, rows, findings: [], chains: emptyReport().chains };
}
