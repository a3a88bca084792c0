// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fmtNs, fmtCount, fmtPct, fmtBytes, fmtShort, fmtDate, visibleText, cleanStrings } from '../format.js';

const plain = (s) => s.replace(/[\u00a0\u202f]/g, ' ');

test('times keep three digits and never round into the wrong unit', () => {
  const cases = [[0, '0 s'], [1, '1 ns'], [999, '999 ns'], [1000, '1.00 µs'], [999499, '999 µs'],
                 [999500, '1.00 ms'], [4.1e9, '4.10 s'], [41e9, '41.0 s'], [410e9, '410 s'], [1200e9, '20.0 min'], [36000e9, '10.0 h']];
  for (const [ns, text] of cases) assert.equal(plain(fmtNs(ns)), text);
  assert.equal(fmtNs(NaN), '–');
});

test('counts, shares and sizes', () => {
  assert.equal(plain(fmtCount(1234567)), '1 234 567');
  assert.equal(fmtShort(1234567), '1.23M');
  assert.equal(plain(fmtPct(1, 3)), '33.3 %');
  assert.equal(plain(fmtPct(1, 1e9)), '<0.1 %');
  assert.equal(fmtPct(1, 0), '–');
  assert.equal(plain(fmtBytes(1536)), '1.50 KiB');
  assert.equal(fmtDate(1767225600e9), '2026-01-01 00:00:00 UTC');
  assert.equal(fmtDate(1e30), '–');
});

test('controls, bidi and lone surrogates become visible; long names are cut and say so', () => {
  assert.equal(visibleText('a\u202eb\u0000c\u2066'), 'a⟨202E⟩b⟨0000⟩c⟨2066⟩');
  assert.equal(visibleText('\ud800x'), '⟨D800⟩x');
  assert.equal(visibleText('ok 😀 é 漢'), 'ok 😀 é 漢');
  const long = visibleText('x'.repeat(5000));
  assert.ok(long.length < 1100 && plain(long).endsWith('… (+4 000 characters)'));
});

test('every string of a document is cleaned, keys too, and numbers are left alone', () => {
  const numbers = [1, 2, 3];
  const v = cleanStrings(JSON.parse('{"a":["\\u202e"],"\\u0007k":{"b":"\\u001b["},"__proto__":"\\u0001"}'));
  assert.deepEqual(v.a, ['⟨202E⟩']);
  assert.equal(v['⟨0007⟩k'].b, '⟨001B⟩[');
  assert.equal(Object.getPrototypeOf(v), Object.prototype);
  assert.equal(cleanStrings(numbers), numbers);
});
