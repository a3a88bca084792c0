// SPDX-License-Identifier: MIT
// From the page's data blocks to JSON. Blocks leave the document once read: a large report would
// otherwise be held twice.
import { decodeBase64 } from './base64.js';

// Columns whose neighbours are close come as steps: each number says what it is above the one before.
export const STEPPED = [['nodes', 'parent'], ['nodes', 'frame'], ['rows', 'node']];

export function undoSteps(report) {
  for (const [table, name] of STEPPED) {
    const a = report[table] && report[table][name];
    if (Array.isArray(a)) for (let i = 1; i < a.length; i++) a[i] += a[i - 1];
  }
  return report;
}

export async function loadReport(doc) {
  const blocks = [...doc.querySelectorAll('script.gs-data')];
  if (!blocks.length) throw new Error('this page holds no data: it is the bare template');
  if (typeof DecompressionStream !== 'function') {
    throw new Error('this browser is too old: Chrome 80, Firefox 113 or Safari 16.4 is needed');
  }
  const parts = blocks.map((b) => {
    const bytes = decodeBase64(b.textContent.trim());
    b.remove();
    return bytes;
  });
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream('gzip'));
  return undoSteps(JSON.parse(await new Response(stream).text()));
}
