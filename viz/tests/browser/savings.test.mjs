// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import * as fake from '../fake_profile.mjs';
import { makeSuite, checkAxe, hashOf, settle, shot } from './page.mjs';

const suite = makeSuite(() => ({
  savings: fake.savingsReport(), blocked: fake.savingsReport({ blocked: true }), plain: fake.fakeReport(), hostile: fake.hostileReport(),
  none: fake.savingsReport({ why_not: 'what its threads do with locks was not recorded; record it with gilscope run --locks', memory: false }),
  several: fake.savingsReport({ processes: 3, calibrated: true }) }));
const { check, withPage, urls } = suite;

const card = (id) => '#h-savings-' + id + ' >> xpath=../..';
const announced = (page) => page.textContent('#live');

check('the page says in a sentence what would be gained, and how far to believe it', async () => {
  await withPage('savings', {}, async (page) => {
    await page.keyboard.press('6');
    await settle(page);
    assert.match(await page.textContent('.verdict h1'), /^On 8.cores, free-threaded Python 3\.14t would run this program 3\.40× as fast\.$/);
    assert.match(await page.textContent('.verdict .note'), /between 2\.60× and 4\.10×\. Grade B: /);
    assert.match(await page.textContent('.tiles'),
        /Speed-up3\.40×2\.60× – 4\.10×At most5\.10×limited by lock at cache\.py:31 Cache\.get.*1\.90×.*2.cores.*61\.2.s/);
    assert.match(await page.textContent(card('limit')), /passes 5\.10×, because of lock at cache\.py:31 Cache\.get\..*if it is not, 4\.40×.*58\.0.%/);
    assert.match(await page.textContent(card('memory')),
        /8.processesMemorynow5\.90.GiBas threads2\.20.GiB 1\.90.GiB – 2\.80.GiBDevice memory.*3\.40.GiB.*440.MiB.*4\.10.s of pickling/);
    assert.match(await page.textContent(card('grounds')), /free-threaded 3\.14t.*8, as recorded.*1\.09×.*GradeB.*correct without the GIL/);
    assert.match(await page.textContent(card('modules')), /Here 1 says so\./);
  });
});

check('the curve by keys alone, and as a table', async () => {
  await withPage('savings', { hash: '#savings' }, async (page) => {
    await page.focus('canvas.curve');
    const seen = [];
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowLeft']) {
      await page.keyboard.press(key);
      seen.push((await announced(page)).split(',')[0].replace('\u00a0', ' '));
    }
    assert.deepEqual(seen, ['1 core', '2 cores', '4 cores', '8 cores', '8 cores', '4 cores']);
    assert.match(await announced(page), /4.cores, 2\.50× as fast, p10 to p90: 1\.90× – 3\.00×, at most 3\.60×, at least 1\.50×/);
    const box = await page.locator('canvas.curve').boundingBox();
    await page.mouse.move(box.x + box.width - 30, box.y + 60);
    assert.match(await page.textContent('.tooltip'), /^8.cores3\.40× as fast/);
    await page.click(card('curve') + ' >> css=summary');
    assert.equal(await page.locator(card('curve') + ' >> css=tbody tr').count(), 4);
    assert.match(await page.textContent('.legend'), /most likely.*p10 to p90.*ceiling.*floor.*worth it from here/);
  });
});

check('where the wait would go: a sentence, two bars of one length, a table that sorts', async () => {
  await withPage('savings', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent(card('time')),
                 /waited 61\.2.s for the GIL\. Without it, .* 44\.0.s of that would be running, 9\.80.s waiting for lock at .*, 4\.10.s waiting for queue/);
    const widths = await page.locator('.time-bar').evaluateAll((bars) =>
        bars.map((b) => b.lastElementChild.getBoundingClientRect().right - b.getBoundingClientRect().left));
    assert.ok(Math.abs(widths[0] - widths[1]) < 3, widths.join(' '));
    const differences = () => page.locator(card('time') + ' >> css=tbody tr td:last-child').allTextContents();
    assert.match((await differences())[0], /^\+40\.2.s$/);
    assert.match((await differences()).at(-1), /^−61\.2.s$/);
    await page.click(card('time') + ' >> css=th button >> text=Difference');
    assert.match((await differences())[0], /^−61\.2.s$/);
  });
});

check('what one change would bring, with a link only where the flame graph has the stack', async () => {
  const report = fake.savingsReport();
  const change = report.savings.processes[0].what_if[0];
  change.node = report.rows.node[0];
  suite.add('linked', report);
  await withPage('savings', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent(card('whatif')), /now 3\.45×.*Cache\.get5\.02×\+45\.5.%.*3\.70×\+7\.2.%.*3\.45×\+0\.0.%/);
    assert.equal(await page.locator(card('whatif') + ' >> css=tbody a').count(), 0);
  });
  await withPage('linked', { hash: '#savings' }, async (page) => {
    await page.focus(card('whatif') + ' >> css=tbody a');
    await page.keyboard.press('Enter');
    await settle(page);
    assert.match(await hashOf(page), new RegExp('^#flame\\?.*n=' + change.node));
  });
});

check('an extension module that brings the GIL back is said first, and what it costs apart', async () => {
  await withPage('blocked', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent('.verdict'),
        /3\.40× as fast, once its extension modules are ported\..*brings the GIL back until it is ported: then 0\.93×/);
    const text = await page.textContent(card('modules'));
    assert.match(text, /1 says so, 1 does not, of 1 it is not known\. Until it is ported, the program would be 0\.93× as fast \(0\.82× – 1\.00×\)/);
    assert.match(text, /_ext\..*does not say so: it brings the GIL back_speed\..*not knownit is set up in one phase/);
    assert.match(text, /_multiarray_umath.*says that it needs no GIL/);
  });
});

check('grade C: the ceiling and the reason, and no number anywhere', async () => {
  await withPage('none', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent('.verdict'),
        /would run this program at most 5\.10× as fast; how fast cannot be said\.Grade C: what its threads do with locks was not recorded/);
    const text = await page.textContent('main');
    assert.doesNotMatch(text, /3\.40|most likely|What if|Where the wait/);
    await page.focus('canvas.curve');
    await page.keyboard.press('ArrowRight');
    assert.match(await announced(page), /^1.core, at most 1\.02×/);
    assert.equal(await page.locator('#h-savings-whatif, #h-savings-time, #h-savings-memory').count(), 0);
  });
});

check('the overview leads to the page; where it was not asked for, it says what to type', async () => {
  await withPage('savings', {}, async (page) => {
    await page.click('a.evidence >> text=Show the savings');
    await settle(page);
    assert.match(await hashOf(page), /^#savings\?p=0/);
    assert.match(await page.textContent('h1'), /3\.40×/);
  });
  await withPage('plain', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent('main'), /was not asked for.*gilscope run --locks program\.py.*gilscope report --whatif CAPTURE/);
    await page.goto(urls.plain + '#overview');
    await settle(page);
    assert.doesNotMatch(await page.textContent('main'), /Show the savings/);
  });
});

check('of a job each process alone, the one that does most first', async () => {
  await withPage('several', { hash: '#savings' }, async (page) => {
    assert.match(await page.textContent('.verdict .note'), /Grade A/);
    assert.equal(await page.locator(card('job') + ' >> css=tbody tr').count(), 3);
    await page.focus('#savings-process');
    await page.selectOption('#savings-process', '2');
    await settle(page);
    assert.match(await hashOf(page), /p=2/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'savings-process');
    assert.match(await page.textContent('.verdict'), /Grade C: it has no turns of the GIL/);
    await page.click(card('job') + ' >> css=tbody a >> nth=0');
    await settle(page);
    assert.match(await page.textContent('.verdict .note'), /Grade A/);
  });
});

check('hostile names are text on the page of savings', async () => {
  await withPage('hostile', { hash: '#savings' }, async (page) => {
    await settle(page);
    const text = await page.textContent('main');
    assert.ok(text.includes('because of <img src=x onerror="window.pwned=1">'));
    assert.ok(text.length < 60000);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, main script').length), 0);
    await page.focus('canvas.curve');
    for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowRight');
    assert.match(await announced(page), /cores/);
  });
});

check('every size and theme of it fits its window', async () => {
  for (const name of ['savings', 'blocked', 'none', 'several', 'plain', 'hostile']) {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1440, 800, 420]) {
        await withPage(name, { hash: '#savings', scheme, width }, async (page) => {
          await settle(page);
          await shot(page, name + '-savings-' + scheme + '-' + width, true);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, name + ' is ' + wide + ' px wider than the window of ' + width);
        });
      }
    }
  }
});

for (const name of ['savings', 'blocked', 'none', 'several', 'plain']) checkAxe(suite, name, ['#savings']);
