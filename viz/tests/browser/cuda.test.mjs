// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import * as fake from '../fake_profile.mjs';
import { makeSuite, checkAxe, hashOf, settle, shot } from './page.mjs';

const suite = makeSuite(() => ({
  cuda: fake.cudaReport(), hostile: fake.hostileReport(), plain: fake.fakeReport(), none: fake.noCudaReport(), one: fake.cudaReport({ samples: 1, curve: 2 }),
  gpus: fake.cudaReport({ processes: 8, samples: 1000, source: 'meminfo' }), quiet: fake.cudaReport({ oom: false, source: 'unknown' }) }));
const { check, withPage, urls } = suite;

const card = (id) => '#h-cuda-' + id + ' >> xpath=../..';
const announced = (page) => page.textContent('#live');

check('the page says what CUDA costs, in order of what matters', async () => {
  await withPage('cuda', {}, async (page) => {
    await page.keyboard.press('5');
    await settle(page);
    assert.match(await page.textContent('.verdict h1'), /^Out of device memory 2.times: cuMemAllocAsync asked for 6\.00.GiB while 11\.7.GiB was live\.$/);
    assert.match(await page.textContent('.verdict .note'), /waited 2\.67.s for the GIL .* At most 21\.5.GiB.*89\.4.% .*3.contexts on 2.devices cost 1\.07.GiB/);
    assert.match(await page.textContent(card('contexts')), /3.contexts on 2.devices cost 1\.07.GiB\. Making them took 330.ms.*#1primary0NVIDIA.*NVML/);
    assert.match(await page.textContent(card('held')), /took 3\.00.s, 47\.2.% of it with the GIL held/);
    assert.match(await page.textContent(card('devices')), /24\.0.GiB12\.1.GiB11\.4.GiB660.MiB96\.0.MiB/);
    assert.match(await page.textContent(card('driver')), /CUDA 13\.0.*41.loaded, 2 unloaded.*lazy.*Lost rows0/);
  });
  await withPage('quiet', { hash: '#cuda' }, async (page) => {
    assert.match(await page.textContent('.verdict h1'), /^Others waited 2\.67.s/);
    assert.match(await page.textContent(card('contexts')), /what they cost is not known.*–unknown/);
    assert.match(await page.textContent(card('driver')), /libnvidia-ml\.so\.1 could not be loaded/);
    assert.equal(await page.locator('#h-cuda-oom').count(), 0);
  });
});

check('the chart by keys alone: values, what ran out, by kind and by stack; the address restores it', async () => {
  await withPage('cuda', { hash: '#cuda' }, async (page) => {
    await page.focus('canvas.series');
    for (let i = 0; i < 16; i++) await page.keyboard.press('Shift+ArrowRight');
    for (let i = 0; i < 10; i++) await page.keyboard.press('Shift+ArrowLeft');
    assert.match(await announced(page), /^2\.\d\d.s, 8\.87.GiB live, 37\.0.% of the capacity, 8\.40.GiB device, 410.MiB arrays, .* managed, 768/);
    const seen = [];
    for (let i = 0; i < 190; i++) {
      await page.keyboard.press('ArrowRight');
      seen.push(await announced(page));
    }
    assert.equal(seen.filter((text) => /Out of memory: cuMemAllocAsync asked for 6\.00.GiB.*Out of memory: cuMemAlloc_v2/.test(text)).length, 1);
    await page.focus('[data-by=stack]');
    await page.keyboard.press('Enter');
    await settle(page);
    assert.equal(await hashOf(page), '#cuda?b=stack');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.by), 'stack');
    await page.reload();
    await settle(page);
    assert.equal(await page.getAttribute('[data-by=stack]', 'aria-pressed'), 'true');
    await page.locator('canvas.series').scrollIntoViewIfNeeded();
    const box = await page.locator('canvas.series').boundingBox();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 60);
    assert.match(await page.textContent('.tooltip'), /^5\.\d\d.s.*live.*4\.20.GiB Module\.to ← train\.py:31.*7.more/);
    await page.click('summary >> text=As a table');
    assert.match(await page.textContent(card('chart')), /Linear\.forward ← net\.py:40.*all others/);
    await page.click('.legend a >> text=Adam.step');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=cudapeak&p=0&n=\d+/);
    assert.equal(await page.textContent('.detail h2'), 'Adam.step');
  });
});

check('rows lead to their stack in the flame graph, which has the metrics of CUDA', async () => {
  await withPage('cuda', { hash: '#cuda' }, async (page) => {
    await page.click(card('held') + ' >> css=a.name >> text=log_loss');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=cudablame/);
    assert.match(await page.textContent('.detail'), /log_loss.*Total2\.04.s.*Calls1.840/);
    assert.equal(await page.locator('#scope').count(), 0);
    for (const [name, total] of [['CUDA hold', /Total1\.53.s/], ['Device memory', /Total11\.4.GiB/], ['Device peak', /Total21\.5.GiB/]]) {
      await page.click('.segmented button >> text=' + name);
      await page.click('.crumbs button >> text=All', { timeout: 1000 }).catch(() => {});
      await settle(page);
      assert.match(await page.textContent('.detail'), total);
    }
    await page.goto(urls.cuda + '#cuda');
    await settle(page);
    await page.click(card('held') + ' >> css=tr:has-text("cuLibraryLoadData") a.name');
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=cudaheld/); // nobody waited for it
    await page.goto(urls.cuda + '#cuda');
    await settle(page);
    await page.click(card('oom') + ' >> css=a');
    await settle(page);
    assert.equal(await page.textContent('.detail h2'), 'Linear.forward');
  });
});

check('findings about CUDA lead to what they are about; the overview has its figure', async () => {
  const evidence = 'a.evidence >> nth=';
  await withPage('cuda', {}, async (page) => {
    assert.match(await page.textContent('.tiles'), /Device memory, peak21\.5.GiB3.contexts, 1\.07.GiB more/);
    assert.deepEqual(await page.locator('.finding .evidence').allTextContents().then((all) => all.slice(4)),
                     ['Show what was live →', 'Show this stack →', 'Show the contexts →']);
    await page.click(evidence + 5);
    await settle(page);
    assert.match(await hashOf(page), /^#flame\?m=cudablame&p=0&n=\d+/);
    for (const [n, part] of [[4, 'oom'], [6, 'contexts']]) {
      await page.goto(urls.cuda + '#overview');
      await settle(page);
      await page.click(evidence + n);
      await settle(page);
      assert.match(await hashOf(page), new RegExp('^#cuda\\?.*h=' + part));
      assert.equal(await page.evaluate(() => document.activeElement.id), 'h-cuda-' + part);
      const top = await page.evaluate(() => document.activeElement.getBoundingClientRect().top);
      assert.ok(top > 90 && top < 400, part + ' stands at ' + top);
    }
  });
});

check('a job shows its processes, one at a time, and its contexts together', async () => {
  await withPage('gpus', { hash: '#cuda' }, async (page) => {
    assert.match(await page.textContent(card('contexts')), /10.contexts on 2.devices cost at most 4\.08.GiB.*at most, by cuMemGetInfo/);
    assert.equal(await page.locator(card('job') + ' >> css=tbody tr').count(), 8);
    await page.focus('#cuda-process');
    await page.selectOption('#cuda-process', '3');
    await settle(page);
    assert.match(await hashOf(page), /p=3/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'cuda-process');
    assert.match(await page.textContent('.verdict'), /At most 5\.37.GiB/);
    assert.match(await page.textContent(card('driver')), /Lost rows12.*totals do not/);
    await page.click(card('job') + ' >> css=tbody a >> nth=0');
    await settle(page);
    assert.match(await page.textContent('.verdict h1'), /Out of device memory/);
    await page.goto(urls.gpus + '#flame?m=cuda&t=3&p=2');
    await settle(page);
    assert.equal(await page.inputValue('#scope'), '2');
  });
});

check('what is not there is said, with the reason and what to do', async () => {
  const said = { plain: /^No process of this capture used CUDA: record a program that does/,
                 none: /^CUDA could not be recorded in this process: libcuda.* older than 11\.3\.$/ };
  for (const [name, text] of Object.entries(said)) {
    await withPage(name, { hash: '#cuda?b=constructor&h=__proto__' }, async (page) => {
      await settle(page);
      assert.match(await page.textContent('main'), text);
      await page.goto(urls[name] + '#flame?m=cuda');
      await settle(page);
      assert.deepEqual(await page.locator('.segmented button').allTextContents(), ['Blame', 'Wait', 'Hold', 'Live memory', 'Pinned memory']);
      await page.goto(urls[name] + '#overview');
      await settle(page);
      assert.doesNotMatch(await page.textContent('.tiles'), /Device/);
    });
  }
});

check('a context alone is a page without empty tables', async () => {
  const report = fake.cudaReport({ oom: false });
  const none = { samples: [], stacks: [], held: [], by_kind: {}, peak_by_kind: {}, peak_bytes: 0, live_bytes: 0, sync_ns: 0, blamed_ns: 0 };
  Object.assign(report.processes[0].cuda, none);
  delete report.cuda_rows;
  delete report.cuda_stack_curves;
  suite.add('idle', report);
  await withPage('idle', { hash: '#cuda?b=stack' }, async (page) => {
    assert.match(await page.textContent('.verdict h1'), /^3.contexts on 2.devices cost/);
    const text = await page.textContent('main');
    assert.equal(text.split('No allocation was recorded').length, 2);
    assert.match(text, /No call waited for the GPU.*No call of the driver held the GIL/);
    assert.equal(await page.locator('[data-by], #h-cuda-kinds, #h-cuda-stacks').count(), 0);
  });
});

check('hostile names are text on the page of CUDA', async () => {
  await withPage('hostile', { hash: '#cuda' }, async (page) => {
    await settle(page);
    const text = await page.textContent('main');
    assert.ok(text.includes('<img src=x onerror="window.pwned=1"> asked for'));
    assert.ok(text.length < 50000);
    await page.goto(urls.hostile + '#cuda?b=stack');
    await settle(page);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, main script').length), 0);
  });
});

check('every size and theme of it fits its window', async () => {
  const views = [['cuda', '#cuda'], ['cuda', '#cuda?b=stack'], ['gpus', '#cuda'], ['one', '#cuda'], ['cuda', '#flame?m=cudapeak'], ['cuda', '#overview']];
  for (const [name, hash] of views) {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1440, 800, 420]) {
        await withPage(name, { hash, scheme, width }, async (page) => {
          await settle(page);
          await shot(page, name + '-' + hash.replace(/\W+/g, '') + '-' + scheme + '-' + width, true);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, name + hash + ' is ' + wide + ' px wider than the window of ' + width);
        });
      }
    }
  }
});

checkAxe(suite, 'cuda', ['#cuda', '#cuda?b=stack', '#flame?m=cudapeak', '#flame?m=cudablame', '#overview']);
checkAxe(suite, 'gpus', ['#cuda']);
checkAxe(suite, 'none', ['#cuda']);
