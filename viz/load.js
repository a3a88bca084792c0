// SPDX-License-Identifier: MIT
// From the page's data blocks to JSON. Blocks leave the document once read: a large report would
// otherwise be held twice.
import { decodeBase64 } from './base64.js';

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
  return JSON.parse(await new Response(stream).text());
}
