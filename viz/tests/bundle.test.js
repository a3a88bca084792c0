// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { undoSteps } from '../load.js';
import { bundleParts, buildPage, makeReport } from './make_report.mjs';
import { fakeReport } from './fake_profile.mjs';

const VIZ = join(dirname(fileURLToPath(import.meta.url)), '..');

function hasCompiler() {
  try {
    execFileSync(process.env.CC || 'cc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const skip = hasCompiler() ? false : 'no C compiler';

test('the bundle lists every module, each after what it imports', () => {
  const parts = bundleParts();
  const modules = readdirSync(VIZ).filter((f) => f.endsWith('.js'));
  assert.deepEqual([...parts.filter((p) => p.endsWith('.js'))].sort(), modules.sort());
  for (const [i, part] of parts.entries()) {
    const source = readFileSync(join(VIZ, part), 'utf8');
    for (const [, from] of source.matchAll(/^import .* from '\.\/(.*)';$/gm)) {
      assert.ok(parts.indexOf(from) >= 0 && parts.indexOf(from) < i, part + ' imports ' + from + ' too early');
    }
  }
});

test('pure modules know no DOM, and no module makes markup or opens a connection', () => {
  const pure = ['format', 'colour', 'model', 'tree', 'flame_tree', 'layout_icicle', 'layout_matrix', 'layout_band', 'search', 'state',
                'base64', 'checks', 'memory_model', 'cuda_model', 'counters_model', 'arena_replay', 'layout_series', 'layout_arena_map'];
  for (const part of bundleParts().filter((p) => p.endsWith('.js'))) {
    const source = readFileSync(join(VIZ, part), 'utf8');
    assert.match(source, /^\/\/ SPDX-License-Identifier: MIT\n/);
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|fetch\(|XMLHttpRequest|importScripts/);
    assert.doesNotMatch(source.replace(/'[^'\n]*'|\/\/.*/g, ''), /`/, part + ': embed.c takes indentation out of strings of several lines');
    if (pure.includes(part.slice(0, -3))) assert.doesNotMatch(source, /\bdocument\.|\bwindow\./, part);
  }
});

test('the page names the hashes of its script and style, and holds its mark once', { skip }, () => {
  const page = buildPage();
  const csp = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)[1];
  const hash = (text) => "'sha256-" + createHash('sha256').update(text).digest('base64') + "'";
  assert.ok(csp.includes('script-src ' + hash(/<script>([\s\S]*?)<\/script>/.exec(page)[1])));
  assert.ok(csp.includes('style-src ' + hash(/<style>([\s\S]*?)<\/style>/.exec(page)[1])));
  assert.equal(page.split('<!--GILSCOPE-DATA-->').length, 2);
  assert.doesNotMatch(page, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  assert.ok(page.length < 240000, 'the page alone is ' + page.length + ' bytes');
});

test('the page loses spaces only where nothing needs them', { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'gs-embed-'));
  try {
    const at = (name, text) => { writeFileSync(join(dir, name), text); return join(dir, name); };
    execFileSync(process.env.CC || 'cc', ['-o', join(dir, 'embed'), join(VIZ, 'embed.c')]);
    const module = at('m.js', "export const A = 1 + +2 - -3;\n  // gone\n\n" + "  const b = 'x = [ \\' = y' + \"it's , so\"; \n" +
      "export const C = 'a / b' + b.replace(/a = b/, ' = ');\n");
    const style = at('s.css', 'a :hover, .b > c { font: 1px "A,  B"; margin: calc(1px + 2px) }\n\n  d { x: y }\n');
    execFileSync(join(dir, 'embed'), [join(dir, 'p.html'), join(dir, 'p.c'), join(VIZ, 'index.html'), style, module]);
    const page = readFileSync(join(dir, 'p.html'), 'utf8');
    assert.match(page, /<style>\na :hover,\.b>c\{font:1px "A,  B";margin:calc\(1px \+ 2px\)\}\nd\{x:y\}\n<\/style>/);
    const body = page.slice(page.indexOf('const A'), page.indexOf('return {'));
    assert.equal(body, "const A=1+ +2- -3;\nconst b='x = [ \\' = y'+\"it's , so\";\nconst C = 'a / b' + b.replace(/a = b/, ' = ');\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('data goes in and comes out, whatever it holds', { skip }, () => {
  const page = makeReport(fakeReport());
  const blocks = [...page.matchAll(/<script type="application\/octet-stream" class="gs-data">([^<]*)<\/script>/g)];
  const bytes = Buffer.concat(blocks.map((b) => Buffer.from(b[1], 'base64')));
  assert.deepEqual(undoSteps(JSON.parse(gunzipSync(bytes))), fakeReport());
});
