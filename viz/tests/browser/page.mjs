// SPDX-License-Identifier: MIT
// Opens a generated report in Chromium the way a reader would: from a file, without a network.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeReport } from '../make_report.mjs';

const CHROMIUM = process.env.GILSCOPE_CHROMIUM || '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
               '--disable-component-update', '--disable-sync'];

export function findModule(name) {
  const dir = process.env.GILSCOPE_NODE_MODULES;
  if (!dir) return null;
  try {
    const require = createRequire(join(dir, 'anchor.js'));
    return { require: () => require(name), path: require.resolve(name) };
  } catch {
    return null;
  }
}

// Why the browser tests cannot run here, or null.
export function missing() {
  if (!process.env.GILSCOPE_NODE_MODULES) return 'GILSCOPE_NODE_MODULES is not set (see viz/tests/README.md)';
  if (!findModule('playwright-core')) return 'playwright-core is not in GILSCOPE_NODE_MODULES';
  if (!existsSync(CHROMIUM)) return CHROMIUM + ' is not installed';
  return null;
}

export async function launch() {
  const { chromium } = findModule('playwright-core').require();
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const dir = mkdtempSync(join(tmpdir(), 'gs-report-'));
  const close = async () => {
    await browser.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { browser, dir, close };
}

export function write(dir, name, html) {
  const path = join(dir, name + '.html');
  writeFileSync(path, html);
  return 'file://' + path;
}

// A page that remembers every request and every complaint.
export async function open(browser, url, { hash = '', width = 1440, height = 900, scheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, offline: true });
  const page = await context.newPage();
  const seen = { requests: [], complaints: [] };
  page.on('request', (r) => { if (!r.url().startsWith(url) && !r.url().startsWith('data:')) seen.requests.push(r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) seen.complaints.push(m.text()); });
  page.on('pageerror', (e) => seen.complaints.push(String(e.stack || e)));
  await page.goto(url + hash);
  await page.waitForSelector('main .page', { timeout: 60000 });
  return { page, seen, close: () => context.close() };
}

// Two frames later, everything asked for has been drawn.
export function settle(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 250)))));
}

export async function shot(page, name, fullPage = false) {
  const dir = process.env.GILSCOPE_VIZ_SHOTS;
  if (!dir) return;
  mkdirSync(dir, { recursive: true });
  await settle(page);
  await page.screenshot({ path: join(dir, name + '.png'), fullPage });
}

// A file's checks on made-up reports, opened by name; any request or complaint fails a check.
export function makeSuite(makeReports) {
  const reason = missing();
  const suite = { reason, urls: {}, env: null };
  suite.check = (name, fn, skip = reason) => test(name, { skip: skip || false, timeout: 180000 }, fn);
  suite.add = (name, report) => { suite.urls[name] = write(suite.env.dir, name, makeReport(report)); };
  suite.withPage = async (name, options, fn) => {
    const view = await open(suite.env.browser, suite.urls[name], options);
    try {
      await fn(view.page, view.seen);
      assert.deepEqual(view.seen, { requests: [], complaints: [] });
    } finally {
      await view.close();
    }
  };
  before(async () => {
    if (reason) return;
    suite.env = await launch();
    for (const [name, report] of Object.entries(makeReports())) suite.add(name, report);
  });
  after(async () => {
    if (suite.env) await suite.env.close();
  });
  return suite;
}

export const hashOf = (page) => page.evaluate(() => location.hash);

// What axe calls serious or worse, on pages of a report in both themes.
export function checkAxe(suite, name, hashes) {
  suite.check('axe finds nothing serious in ' + name + ', light and dark', async () => {
    const axe = readFileSync(findModule('axe-core').path, 'utf8');
    for (const scheme of ['light', 'dark']) {
      for (const hash of hashes) {
        const view = await open(suite.env.browser, suite.urls[name], { scheme, hash });
        await settle(view.page);
        await view.page.evaluate(axe); // a script tag would be refused by Trusted Types
        const bad = await view.page.evaluate(async () => {
          const found = await window.axe.run(document, { resultTypes: ['violations'] });
          return found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
            .map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3).join(' | '));
        });
        await view.close();
        assert.deepEqual(bad, [], scheme + ' ' + hash);
      }
    }
  }, suite.reason || (findModule('axe-core') ? null : 'axe-core is not in GILSCOPE_NODE_MODULES'));
}
