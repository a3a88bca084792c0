// SPDX-License-Identifier: MIT
// Puts report JSON into the page just as `gilscope report` does: gzip, base64, blocks of at most
// 4 MB, in place of the one mark. The page comes from GILSCOPE_VIZ_PAGE, else from the build tree,
// else it is made here with the C compiler.
//   node make_report.mjs (fake|hostile|empty|free-threaded|processes|arenas|cuda|gpus|no-cuda|savings|blocked|native|big|IN.json) OUT.html
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { STEPPED } from '../load.js';
import * as fake from './fake_profile.mjs';

const VIZ = join(dirname(fileURLToPath(import.meta.url)), '..');
const MARK = '<!--GILSCOPE-DATA-->';
const BLOCK = 4 * 1024 * 1024; // a multiple of 4, so that each block is whole base64

export function bundleParts() {
  return readFileSync(join(VIZ, 'bundle.txt'), 'utf8').split('\n').filter((s) => /^[a-z]/.test(s));
}

// Builds the page from the sources beside this file.
export function buildPage() {
  const dir = mkdtempSync(join(tmpdir(), 'gs-viz-'));
  try {
    const tool = join(dir, 'embed');
    execFileSync(process.env.CC || 'cc', ['-O1', '-o', tool, join(VIZ, 'embed.c')]);
    const page = join(dir, 'page.html');
    execFileSync(tool, [page, join(dir, 'page.c'), join(VIZ, 'index.html'), ...bundleParts().map((p) => join(VIZ, p))]);
    return readFileSync(page, 'utf8');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

let cached = null;

export function template() {
  const given = process.env.GILSCOPE_VIZ_PAGE;
  if (given && existsSync(given)) return readFileSync(given, 'utf8');
  cached = cached || buildPage();
  return cached;
}

// gzip, base64, cut into blocks.
export function dataBlocks(json) {
  const base64 = gzipSync(json, { level: 6 }).toString('base64');
  const out = [];
  for (let i = 0; i < base64.length; i += BLOCK) {
    out.push('<script type="application/octet-stream" class="gs-data">', base64.slice(i, i + BLOCK), '</script>\n');
  }
  return out.join('');
}

export function asSteps(report) {
  const out = structuredClone(report);
  for (const [table, name] of STEPPED) {
    const a = (out[table] && out[table][name]) || [];
    for (let i = a.length - 1; i > 0; i--) a[i] -= a[i - 1];
  }
  return out;
}

export function makeReport(report, summary = '<noscript><p>Open this report with JavaScript to see it.</p></noscript>') {
  const page = template();
  if (page.split(MARK).length !== 2) throw new Error('the template must hold its mark once');
  const json = typeof report === 'string' ? report : JSON.stringify(asSteps(report));
  return page.replace(MARK, () => dataBlocks(json) + summary);
}

const MADE = { fake: fake.fakeReport, hostile: fake.hostileReport, empty: fake.emptyReport,
               'free-threaded': fake.freeThreadedReport, big: fake.bigReport,
               arenas: fake.arenasReport, cuda: fake.cudaReport, 'no-cuda': fake.noCudaReport,
               native: fake.nativeReport,
               savings: fake.savingsReport, blocked: () => fake.savingsReport({ blocked: true }),
               gpus: () => fake.cudaReport({ processes: 8, samples: 1000, source: 'meminfo' }),
               processes: () => fake.fakeReport({ processes: 3, threads: 30 }) };

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [what, out] = process.argv.slice(2);
  if (!out) throw new Error('usage: make_report.mjs (' + Object.keys(MADE).join('|') + '|IN.json) OUT.html');
  writeFileSync(out, makeReport(MADE[what] ? MADE[what]() : readFileSync(what, 'utf8')));
}
