// SPDX-License-Identifier: MIT
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { makeReport } from '../make_report.mjs';
import * as fake from '../fake_profile.mjs';
import { missing, findModule, launch, write, open, settle, shot } from './page.mjs';

const reason = missing();
const PAGES = ['overview', 'flame', 'blocks', 'quality'];
let env;
const urls = {};

const check = (name, fn, skip = reason) => test(name, { skip: skip || false, timeout: 180000 }, fn);

before(async () => {
  if (reason) return;
  env = await launch();
  const reports = { fake: fake.fakeReport(), hostile: fake.hostileReport(), empty: fake.emptyReport(),
                    free: fake.freeThreadedReport(), many: fake.fakeReport({ processes: 3, threads: 30 }) };
  for (const [name, report] of Object.entries(reports)) urls[name] = write(env.dir, name, makeReport(report));
});

after(async () => {
  if (env) await env.close();
});

async function withPage(name, options, fn) {
  const view = await open(env.browser, urls[name], options);
  try {
    await fn(view.page, view.seen);
    assert.deepEqual(view.seen, { requests: [], complaints: [] });
  } finally {
    await view.close();
  }
}

const hashOf = (page) => page.evaluate(() => location.hash);
const selected = (page) => page.textContent('#flame-item');

for (const name of ['fake', 'hostile', 'empty', 'free', 'many']) {
  check('every page of the ' + name + ' report opens without a request or a complaint', async () => {
    await withPage(name, {}, async (page) => {
      for (const id of PAGES) {
        await page.click('nav.tabs a[data-page=' + id + ']');
        await settle(page);
        assert.equal(await page.getAttribute('nav.tabs a[data-page=' + id + ']', 'aria-current'), 'page');
        assert.match(await page.textContent('.chips'), /complete.*lost events.*overhead/);
        await shot(page, name + '-' + id + '-light', true);
      }
    });
  });
}

check('dark and narrow', async () => {
  for (const scheme of ['light', 'dark']) {
    for (const width of [1440, 800]) {
      await withPage('fake', { scheme, width }, async (page) => {
        for (const id of PAGES) {
          await page.click('nav.tabs a[data-page=' + id + ']');
          await shot(page, 'fake-' + id + '-' + scheme + '-' + width, width === 800);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, id + ' is ' + wide + ' px wider than the window');
        }
      });
    }
  }
});

check('hostile names are text: nothing runs, nothing is hidden, nothing is endless', async () => {
  await withPage('hostile', {}, async (page) => {
    const text = await page.textContent('main');
    assert.ok(text.includes('<img src=x onerror="window.pwned=1">'));
    assert.ok(text.includes('</script><script>window.pwned=1</script>'));
    assert.ok(text.includes('safe⟨202E⟩⟨2066⟩gnp.exe⟨0000⟩⟨001B⟩[31m'));
    assert.doesNotMatch(text, /[\u202e\u2066]/);
    assert.ok(text.length < 50000);
    await page.goto(urls.hostile + '#flame?v=1');
    await settle(page);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, main script').length), 0);
  });
});

check('a finding leads to its stack in the flame graph', async () => {
  await withPage('fake', {}, async (page) => {
    await page.click('a.evidence >> nth=0');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?n=\d+/);
    assert.match(await page.textContent('.detail h2'), /JSONDecoder\.raw_decode/);
    assert.match(await page.textContent('.crumbs'), /All.*Worker\.loop.*JSONDecoder\.raw_decode/);
  });
});

check('click zooms, the breadcrumb goes back, the address restores it', async () => {
  await withPage('fake', { hash: '#flame' }, async (page) => {
    const box = await page.locator('canvas.flame').boundingBox();
    await page.mouse.click(box.x + box.width / 4, box.y + 22 * 2 + 11);
    await settle(page);
    const name = await page.textContent('.detail h2');
    assert.equal(name, 'Worker.handle');
    const hash = await hashOf(page);
    assert.match(hash, /z=\d+/);
    await page.reload();
    await settle(page);
    assert.equal(await page.textContent('.detail h2'), name);
    await page.goBack();
    await settle(page);
    assert.equal(await page.textContent('.detail h2'), 'All stacks');
    await page.goForward();
    await page.click('.crumbs button >> text=All');
    await settle(page);
    assert.equal(await page.textContent('.crumbs [aria-current]'), 'All');
  });
});

check('search tells its total, steps through matches, and shows a bad expression', async () => {
  await withPage('fake', { hash: '#flame' }, async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('decoder.py:353');
    await page.waitForFunction(() => /matched .* · .*%/.test(document.querySelector('.search-result').textContent));
    await page.keyboard.press('Enter');
    assert.match(await selected(page), /raw_decode/);
    assert.match(await hashOf(page), /q=decoder/);
    await page.fill('#search', '/(/');
    await page.waitForFunction(() => /not a regular/.test(document.querySelector('.search-result').textContent));
    await page.fill('#search', '/^Worker\\./');
    await page.waitForFunction(() => /boxes/.test(document.querySelector('.search-result').textContent));
  });
});

check('keys alone: walk, zoom, invert, table, back', async () => {
  await withPage('fake', { hash: '#flame?m=wait' }, async (page) => {
    await page.focus('canvas.flame');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    const item = await page.locator('#flame-item');
    assert.equal(await item.getAttribute('aria-posinset'), '2');
    assert.equal(await item.getAttribute('aria-level'), '2');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await settle(page);
    assert.match(await hashOf(page), /z=\d+/);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await settle(page);
    assert.doesNotMatch(await hashOf(page), /z=/);
    await page.keyboard.press('i');
    await settle(page);
    assert.equal(await page.getAttribute('[data-key=invert]', 'aria-pressed'), 'true');
    await page.keyboard.press('v');
    await page.waitForSelector('.stage table.data');
    await page.keyboard.press('3');
    await page.waitForSelector('table.matrix');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Escape');
  });
});

check('tables sort, and say so', async () => {
  await withPage('fake', { hash: '#flame?v=1&m=hold' }, async (page) => {
    const first = () => page.textContent('.stage tbody tr:first-child th');
    assert.equal(await first(), 'Worker.loop');
    await page.click('.stage th >> text=Self');
    assert.equal(await first(), 'JSONDecoder.raw_decode');
    assert.equal(await page.getAttribute('.stage th:nth-child(3)', 'aria-sort'), 'descending');
    await page.click('.stage th >> text=Self');
    assert.equal(await page.getAttribute('.stage th:nth-child(3)', 'aria-sort'), 'ascending');
  });
});

check('metric and thread menus change the picture and the address', async () => {
  await withPage('fake', { hash: '#flame' }, async (page) => {
    await page.click('.segmented button >> text=Hold');
    await settle(page);
    await page.selectOption('#scope', '0/2');
    await settle(page);
    assert.equal(await hashOf(page), '#flame?m=hold&p=0&t=2');
    const total = await page.getAttribute('.numbers dd >> nth=0', 'title');
    const expected = fake.fakeReport().processes[0].threads[2].hold_ns;
    assert.equal(total.replace(/\D/g, ''), String(expected));
  });
});

check('the theme button wins over the system', async () => {
  await withPage('fake', { hash: '#flame', scheme: 'dark' }, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.click('[aria-label="Switch light and dark"]');
    assert.notEqual(await ground(), dark);
    await settle(page);
  });
});

check('a damaged report says why instead of staying empty', async () => {
  const bad = fake.fakeReport();
  bad.nodes.parent[4] = 99;
  urls.bad = write(env.dir, 'bad', makeReport(bad));
  await withPage('bad', {}, async (page) => {
    assert.match(await page.textContent('main'), /cannot be shown.*nodes\.parent/);
  });
});

check('axe finds nothing serious, light and dark', async () => {
  const axe = readFileSync(findModule('axe-core').path, 'utf8');
  for (const scheme of ['light', 'dark']) {
    for (const id of PAGES) {
      const view = await open(env.browser, urls.fake, { scheme, hash: '#' + id });
      await settle(view.page);
      await view.page.evaluate(axe); // a script tag would be refused by Trusted Types
      const bad = await view.page.evaluate(async () => {
        const found = await window.axe.run(document, { resultTypes: ['violations'] });
        return found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
          .map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3).join(' | '));
      });
      await view.close();
      assert.deepEqual(bad, [], scheme + ' ' + id);
    }
  }
}, reason || (findModule('axe-core') ? null : 'axe-core is not in GILSCOPE_NODE_MODULES'));
