// SPDX-License-Identifier: MIT
// Numbers and untrusted text as people read them. Pure; the only place of the report that prints
// units or lets a string from a capture through.

const NBSP = '\u00a0';
export const NAME_LIMIT = 1000;

// Three significant digits, never an exponent: 4.10, 41.0, 410, 4100.
function digits3(v) {
  const a = Math.abs(v);
  if (a >= 99.95) return v.toFixed(0);
  return a >= 9.995 ? v.toFixed(1) : v.toFixed(2);
}

export function fmtNs(ns) {
  if (!Number.isFinite(ns)) return '–';
  const a = Math.abs(ns);
  if (a === 0) return '0' + NBSP + 's';
  if (a < 1e3) return ns.toFixed(0) + NBSP + 'ns';
  if (a < 999.5e3) return digits3(ns / 1e3) + NBSP + 'µs';
  if (a < 999.5e6) return digits3(ns / 1e6) + NBSP + 'ms';
  if (a < 600e9) return digits3(ns / 1e9) + NBSP + 's';
  if (a < 7200e9) return digits3(ns / 60e9) + NBSP + 'min';
  return digits3(ns / 3600e9) + NBSP + 'h';
}

// Exact, for tooltips and tables that people copy from: 1 234 567 ns.
export function fmtExactNs(ns) {
  return fmtCount(ns) + NBSP + 'ns';
}

export function fmtCount(n) {
  if (!Number.isFinite(n)) return '–';
  const s = Math.abs(n).toFixed(0).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return n < 0 ? '−' + s : s;
}

export function fmtShort(n) {
  if (!Number.isFinite(n)) return '–';
  if (Math.abs(n) < 1e4) return fmtCount(n);
  if (Math.abs(n) < 999.5e3) return digits3(n / 1e3) + 'k';
  if (Math.abs(n) < 999.5e6) return digits3(n / 1e6) + 'M';
  return digits3(n / 1e9) + 'G';
}

export function fmtPct(part, whole) {
  if (!(whole > 0) || !Number.isFinite(part)) return '–';
  const p = (100 * part) / whole;
  if (Math.abs(p) >= 1e6) return '–'; // no share of anything
  const sign = p < 0 ? '−' : '';
  if (p !== 0 && Math.abs(p) < 0.05) return '<0.1' + NBSP + '%';
  return sign + Math.abs(p).toFixed(1) + NBSP + '%';
}

// How many times as fast, or as much.
export function fmtTimes(v) {
  return Number.isFinite(v) ? digits3(v) + '×' : '–';
}

export function fmtBytes(n) {
  if (!Number.isFinite(n)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const sign = n < 0 ? '−' : '';
  let u = 0;
  n = Math.abs(n);
  while (n >= 1023.5 && u < units.length - 1) {
    n /= 1024;
    u++;
  }
  return sign + (u === 0 ? n.toFixed(0) : digits3(n)) + NBSP + units[u];
}

export function fmtExactBytes(n) {
  return fmtCount(n) + NBSP + 'bytes';
}

export function fmtAddress(n) {
  return Number.isSafeInteger(n) && n >= 0 ? '0x' + n.toString(16) : '–';
}

// UTC and ISO-like, so that a report reads the same everywhere.
export function fmtDate(unixNs) {
  const ms = unixNs / 1e6;
  if (!(ms > 0) || ms > 8e15) return '–';
  return new Date(ms).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}

// Controls, bidi overrides, invisible separators and lone surrogates: anything that could make a
// name look like another one, or reorder the text around it.
const HIDDEN = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e' +
    '\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]' +
    '|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]',
  'g'
);

function showCode(c) {
  return '⟨' + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0') + '⟩';
}

export function visibleText(s, limit = NAME_LIMIT) {
  let text = String(s);
  let rest = 0;
  if (text.length > limit) {
    rest = text.length - limit;
    text = text.slice(0, limit);
  }
  text = text.replace(HIDDEN, showCode);
  return rest ? text + '… (+' + fmtCount(rest) + ' characters)' : text;
}

// Makes every string below an object visible, in place. Arrays of numbers are skipped whole: they
// hold millions of values and no text.
export function cleanStrings(v) {
  if (typeof v === 'string') return visibleText(v);
  if (Array.isArray(v)) {
    if (typeof v[0] === 'number' && typeof v[v.length - 1] === 'number') return v;
    for (let i = 0; i < v.length; i++) v[i] = cleanStrings(v[i]);
  } else if (v && typeof v === 'object') {
    for (const k of Object.keys(v)) {
      const key = visibleText(k, 200);
      const value = cleanStrings(v[k]);
      if (key !== k) delete v[k];
      Object.defineProperty(v, key, { value, writable: true, enumerable: true, configurable: true });
    }
  }
  return v;
}

export function plural(n, one, many) {
  return fmtCount(n) + NBSP + (n === 1 ? one : many);
}
