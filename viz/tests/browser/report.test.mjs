// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { makeReport } from '../make_report.mjs';
import * as fake from '../fake_profile.mjs';
import { makeSuite, checkAxe, hashOf, write, settle, shot } from './page.mjs';

const PAGES = ['overview', 'flame', 'blocks', 'memory', 'cuda', 'quality'];
const suite = makeSuite(() => ({
  fake: fake.fakeReport(), hostile: fake.hostileReport(), empty: fake.emptyReport(), free: fake.freeThreadedReport(),
  many: fake.fakeReport({ processes: 3, threads: 30 }), arenas: fake.arenasReport() }));
const { check, withPage, urls, reason } = suite;

// Runs in the page: drags and scales the picture for 200 frames.
async function panGaps() {
  const canvas = document.querySelector('canvas.flame');
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const at = (x) => ({ clientX: box.left + x, clientY: box.top + 300, button: 0, bubbles: true, cancelable: true });
  const gaps = [];
  canvas.dispatchEvent(new PointerEvent('pointerdown', at(600)));
  let last = performance.now();
  for (let i = 0; i < 200; i++) {
    canvas.dispatchEvent(new PointerEvent('pointermove', at(600 + 300 * Math.sin(i / 20))));
    canvas.dispatchEvent(new WheelEvent('wheel', { ...at(500), deltaY: i % 80 > 50 ? 12 : -8, ctrlKey: true }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  canvas.dispatchEvent(new PointerEvent('pointercancel', at(0)));
  gaps.sort((a, b) => a - b);
  return { p50: gaps[100], p95: gaps[190] };
}

// Runs in the page: scrolls the arena map for 200 frames, then moves its slider.
async function scrollGaps() {
  const scroll = document.querySelector('.flame-scroll');
  const gaps = [];
  let last = performance.now();
  for (let i = 0; i < 200; i++) {
    scroll.scrollTop = (i * 137) % (scroll.scrollHeight - 640);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  gaps.sort((a, b) => a - b);
  const slider = document.getElementById('snapshot');
  const start = performance.now();
  for (let k = 0; k < 8; k++) {
    slider.value = k;
    slider.dispatchEvent(new Event('input'));
  }
  return { p50: gaps[100], p95: gaps[190], snapshot: (performance.now() - start) / 8 };
}

const selected = (page) => page.textContent('#flame-item');

for (const name of ['fake', 'hostile', 'empty', 'free', 'many', 'arenas']) {
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
    await page.goto(urls.hostile + '#memory?a=3');
    await settle(page);
    const memory = await page.textContent('main');
    assert.ok(memory.includes('Blocks of <img src=x onerror="window.pwned=1"> pin'));
    assert.ok(memory.length < 50000);
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
    await page.evaluate(() => { // both before the browser tells of either
      const escape = { key: 'Escape', bubbles: true, cancelable: true };
      for (let i = 0; i < 2; i++) document.activeElement.dispatchEvent(new KeyboardEvent('keydown', escape));
    });
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

check('a finding about memory leads to the stack that pins, or to the page', async () => {
  await withPage('fake', {}, async (page) => {
    assert.match(await page.textContent('.finding >> nth=3'), /80\.3.MiB82\.8.%/);
    await page.click('a.evidence >> nth=3');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=pinned/);
    assert.equal(await page.textContent('.detail h2'), 'Cache.put');
  });
  await withPage('arenas', {}, async (page) => {
    await page.click('a.evidence >> nth=3');
    await settle(page);
    assert.equal(await hashOf(page), '#memory?p=0');
  });
});

check('where the end says little, the worst moment is a click away', async () => {
  const report = fake.fakeReport();
  const { samples } = report.processes[0].memory;
  const freed = { arenas: 3, arena_bytes: 3 << 20, pool_used_bytes: 2.9e6, pool_free_bytes: 1e5, pinned_free_bytes: 2e5 };
  samples.push({ ...samples.at(-1), ...freed, t_ns: 8.1e9 });
  suite.add('freed', report);
  await withPage('freed', { hash: '#memory' }, async (page) => {
    assert.match(await page.textContent('.verdict'), /only 6\.4.% of the 3\.00.MiB.*At worst it was 8\d\.\d.MiB of 1\d\d.MiB, .* at 5\.\d\d.s/);
    await page.click('.verdict .note a');
    await settle(page);
    assert.match(await hashOf(page), /k=1[56]/);
    assert.match(await page.textContent('.time'), /^5\.\d\d.s/);
  });
});

check('the memory page says how much is pinned, and leads to who pins it', async () => {
  await withPage('fake', {}, async (page) => {
    await page.keyboard.press('4');
    await settle(page);
    assert.match(await page.textContent('.verdict'), /82\.8.% of the 97\.0.MiB .* free.*Blocks of Cache\.put \(cache\.py:57\) pin 73\.1.MiB/);
    assert.match(await page.getAttribute('canvas.series', 'aria-label'), /160.readings/);
    const first = () => page.textContent('#h-classes >> xpath=../.. >> css=tbody tr:first-child th');
    assert.match(await first(), /64.B/);
    await page.click('#h-classes >> xpath=../.. >> css=th >> text=Block');
    assert.match(await first(), /32.B/);
    await page.click('a.name >> text=Cache.put');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=alloc/);
    assert.equal(await page.textContent('.detail h2'), 'Cache.put');
    assert.match(await page.textContent('.detail'), /Total4\.79.MiB.*Pins73\.1.MiB/);
    assert.equal(await page.locator('#scope').count(), 0);
    await page.click('.segmented button >> text=Pinned memory');
    await settle(page);
    assert.match(await page.textContent('.detail'), /Total73\.1.MiB/);
    await page.click('.segmented button >> text=Wait');
    await settle(page);
    assert.equal(await page.locator('#scope').count(), 1);
  });
});

check('the arena map by keys alone: rows, pools, order, moment; the address restores it', async () => {
  await withPage('fake', { hash: '#memory' }, async (page) => {
    const item = () => page.textContent('#arena-item');
    await page.focus('canvas.arenas');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.getAttribute('#arena-item', 'aria-posinset'), '2');
    assert.match(await item(), /^Arena 0x7f3a.*freeable.*born at .* for Result\._allrows result\.py:548/);
    await page.keyboard.press('ArrowRight');
    assert.match(await page.textContent('#live'), /^Pool 0: /);
    assert.match(await page.textContent('.tooltip'), /^Pool 0: .*0x7f3a/);
    await page.keyboard.press('End');
    assert.equal(await page.getAttribute('#arena-item', 'aria-posinset'), '97');
    await page.focus('#snapshot');
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    await page.selectOption('#arena-order', 'age');
    await settle(page);
    assert.match(await hashOf(page), /o=age&k=20&a=\d+/);
    assert.match(await page.getAttribute('#snapshot', 'aria-valuetext'), /6\.67.s/);
    const kept = [await item(), await page.textContent('.detail'), await page.textContent('#arena-summary')];
    await page.reload();
    await settle(page);
    assert.deepEqual([await item(), await page.textContent('.detail'), await page.textContent('#arena-summary')], kept);
    assert.equal(await page.inputValue('#arena-order'), 'age');
    assert.equal(await page.inputValue('#snapshot'), '20');
    await page.goto(urls.fake + '#memory?o=address&a=90');
    await page.reload();
    await settle(page);
    assert.ok(await page.evaluate(() => document.querySelector('.flame-scroll').scrollTop) > 300, 'the chosen row is in view');
    await page.goBack();
    await settle(page);
    await page.click('button >> text=Play');
    await page.waitForFunction(() => document.getElementById('snapshot').value === '24');
    await page.waitForSelector('button >> text=Play');
    assert.doesNotMatch(await hashOf(page), /k=/);
  });
});

check('the arena map by mouse: what is under the pointer, and a row chosen', async () => {
  await withPage('fake', { hash: '#memory?o=address' }, async (page) => {
    const canvas = page.locator('canvas.arenas');
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    await page.mouse.move(box.x + 300, box.y + 40);
    assert.match(await page.textContent('.tooltip'), /^Pool \d+: .*0x7f3a4/);
    await page.mouse.click(box.x + 300, box.y + 40);
    assert.match(await page.textContent('.detail h2'), /^0x7f3a4/);
    assert.match(await page.textContent('.detail'), /Born.*In use.*Freeable.*Pools.*Asked for by.*models\.py:1/);
    await page.mouse.move(box.x + 40, box.y + 40);
    assert.match(await page.textContent('.tooltip'), /freeable/);
    await page.click('#h-map >> xpath=../.. >> css=summary');
    await page.click('#h-map >> xpath=../.. >> css=.as-table tbody tr:nth-child(3)');
    assert.equal(await page.textContent('.detail h2'), await page.textContent('#h-map >> xpath=../.. >> css=.as-table tbody tr:nth-child(3) th'));
    await page.locator('canvas.series').scrollIntoViewIfNeeded();
    const series = await page.locator('canvas.series').boundingBox();
    await page.mouse.move(series.x + series.width / 2, series.y + 60);
    assert.match(await page.textContent('.tooltip'), /resident.*arenas.*headers and rounding.*blocks in use/);
  });
});

check('a job shows its processes, one at a time', async () => {
  await withPage('many', { hash: '#memory' }, async (page) => {
    assert.match(await page.textContent('#h-job >> xpath=../..'), /3.processes.*in arenas/);
    await page.focus('#memory-process');
    await page.selectOption('#memory-process', '2');
    await settle(page);
    assert.match(await hashOf(page), /p=2/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'memory-process');
    assert.match(await page.textContent('.verdict'), /of the 32\.0.MiB/);
    await page.click('#h-job >> xpath=../.. >> css=tbody a >> nth=0');
    await settle(page);
    assert.equal(await page.inputValue('#memory-process'), '0');
    await page.goto(urls.many + '#flame?m=alloc&t=3&p=1');
    await settle(page);
    assert.equal(await page.inputValue('#scope'), '1');
  });
});

check('what is not there is said, with the reason', async () => {
  const said = { empty: /no readings of memory/, free: /no arenas to look into: free-threaded Python uses mimalloc.*Not explained−5\.72/,
                 arenas: /Record again with --alloc.*1.234.arenas with less to free left out/ };
  for (const [name, text] of Object.entries(said)) {
    await withPage(name, { hash: '#memory?k=99&a=7000&o=constructor' }, async (page) => {
      await settle(page);
      assert.match(await page.textContent('main'), text);
      await page.goto(urls[name] + '#flame?m=alloc'); // an address from another report
      await settle(page);
      assert.equal(await page.textContent('.segmented [aria-pressed=true]'), 'Blame');
    });
  }
});

check('thousands of arenas scroll, and every snapshot is drawn at once', async (t) => {
  await withPage('arenas', { hash: '#memory' }, async (page) => {
    await page.locator('canvas.arenas').scrollIntoViewIfNeeded();
    await settle(page);
    const gaps = await page.evaluate(scrollGaps);
    t.diagnostic('2,000 arenas: frame gap p50 ' + gaps.p50.toFixed(1) + ', p95 ' + gaps.p95.toFixed(1) + ' ms; snapshot ' +
                 gaps.snapshot.toFixed(1) + ' ms');
    assert.ok(gaps.p50 < 100 && gaps.snapshot < 500, JSON.stringify(gaps));
  });
});

check('a damaged report says why instead of staying empty', async () => {
  const bad = fake.fakeReport();
  bad.nodes.parent[4] = 99;
  suite.add('bad', bad);
  await withPage('bad', {}, async (page) => {
    assert.match(await page.textContent('main'), /cannot be shown.*nodes\.parent/);
  });
});

check('a report of a real capture opens too', async () => {
  urls.real = 'file://' + process.env.GILSCOPE_VIZ_REPORT;
  await withPage('real', {}, async (page) => {
    for (const id of PAGES) {
      await page.click('nav.tabs a[data-page=' + id + ']');
      await shot(page, 'real-' + id, true);
    }
  });
}, reason || (process.env.GILSCOPE_VIZ_REPORT ? null : 'GILSCOPE_VIZ_REPORT names no report'));

// Limits are generous: the machine that runs this may be shared. What was measured is printed.
check('a large report opens and pans', async (t) => {
  const n = process.env.GILSCOPE_VIZ_BIG ? 1000000 : 200000;
  const html = makeReport(fake.bigReport({ n }));
  urls.big = write(suite.env.dir, 'big', html);
  const start = Date.now();
  await withPage('big', { hash: '#flame', width: 1600 }, async (page) => {
    await settle(page);
    const opened = Date.now() - start;
    const gaps = await page.evaluate(panGaps);
    t.diagnostic(n + ' frames, ' + (html.length / 1e6).toFixed(1) + ' MB: shown after ' + opened +
                 ' ms, frame gap p50 ' + gaps.p50.toFixed(1) + ', p95 ' + gaps.p95.toFixed(1) + ' ms');
    assert.ok(opened < 20000 && gaps.p50 < 100, JSON.stringify({ opened, gaps }));
  });
});

checkAxe(suite, 'fake', [...PAGES, 'memory?a=40&k=12', 'flame?m=alloc'].map((id) => '#' + id));
