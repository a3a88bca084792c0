// SPDX-License-Identifier: MIT
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { undoSteps } from '../load.js';
import { makeModel } from '../model.js';
import * as fake from './fake_profile.mjs';

const SCHEMA = JSON.parse(readFileSync(join(dirname(fileURLToPath(import.meta.url)), '..', 'profile.schema.json'), 'utf8'));

const TYPES = { object: (v) => v !== null && typeof v === 'object' && !Array.isArray(v), array: Array.isArray, null: (v) => v === null,
                string: (v) => typeof v === 'string', boolean: (v) => typeof v === 'boolean', number: Number.isFinite, integer: Number.isInteger };

// As much of JSON Schema as this schema uses; the first few complaints.
function complaints(value, schema, path = '$', out = []) {
  if (schema.$ref) return complaints(value, SCHEMA.$defs[schema.$ref.split('/').pop()], path, out);
  const types = schema.type === undefined ? null : [schema.type].flat();
  if (types && !types.some((t) => TYPES[t](value))) out.push(path + ' is no ' + types.join(' or '));
  else if (schema.enum && !schema.enum.includes(value)) out.push(path + ' is none of ' + schema.enum);
  else if (value < schema.minimum) out.push(path + ' is below ' + schema.minimum);
  else if (Array.isArray(value) && schema.items) value.forEach((v, i) => out.length < 9 && complaints(v, schema.items, path + '[' + i + ']', out));
  else if (TYPES.object(value)) {
    for (const k of schema.required || []) if (!(k in value)) out.push(path + '.' + k + ' is missing');
    for (const [k, s] of Object.entries(schema.properties || {})) if (k in value) complaints(value[k], s, path + '.' + k, out);
  }
  return out;
}

for (const [name, make] of Object.entries({ fake: fake.fakeReport, empty: fake.emptyReport, free: fake.freeThreadedReport,
                                            arenas: fake.arenasReport, cuda: fake.cudaReport,
                                            gpus: () => fake.cudaReport({ processes: 3, source: 'meminfo' }), none: fake.noCudaReport,
                                            savings: fake.savingsReport, native: fake.nativeReport,
                                            blocked: () => fake.savingsReport({ blocked: true, why_not: 'so' }),
                                            processes: () => fake.fakeReport({ processes: 3 }) })) {
  test('the made-up ' + name + ' report is what the schema says', () => {
    assert.deepEqual(complaints(make(), SCHEMA), []);
  });
}

test('a report of a real capture is what the schema says', { skip: process.env.GILSCOPE_VIZ_REPORT ? false : 'GILSCOPE_VIZ_REPORT names no report' }, () => {
  const page = readFileSync(process.env.GILSCOPE_VIZ_REPORT, 'utf8');
  const blocks = [...page.matchAll(/class="gs-data">([^<]*)<\/script>/g)].map((m) => Buffer.from(m[1], 'base64'));
  const report = JSON.parse(gunzipSync(Buffer.concat(blocks)));
  assert.deepEqual(complaints(report, SCHEMA), []);
  const { nodes, rows, processes } = makeModel(undoSteps(report));
  const held = processes.flatMap((p) => p.threads.map((t) => t.hold_ns)).reduce((s, v) => s + v, 0);
  assert.equal(rows.hold.reduce((s, v) => s + v, 0), held);
  assert.equal(new Set(nodes.parent.slice(1).map((p, i) => p * nodes.n + nodes.frame[i + 1])).size, nodes.n - 1, 'a child for each frame');
});
