// Rows as a scan has them: what a client would send of them is read back as the same batch.
import { expect, test } from 'vitest';
import { parseRows } from '../../../common/predict/rows.ts';
import { columnsFromScan, rowToJson, scanColumns } from '../../../common/predict/scan.ts';
import { openTestDuck } from '../../parity/both.ts';

test('rowToJson() sends what a client can send, and columnsFromScan() reads the same batch', async () => {
  await using duck = await openTestDuck();
  const inputs = [
    { name: 'x', type: 'number' },
    { name: 'a/b~', type: 'string' },
    { name: 't', type: 'time' },
  ] as const;
  const { sql, kinds } = scanColumns(inputs);
  const from = `(VALUES (1.5::DOUBLE, 'é', TIMESTAMP '2001-02-03 04:05:06.7'), (NULL, NULL, NULL),
    ('inf'::DOUBLE, 'a' || chr(0), 'infinity'::TIMESTAMP), (-2.5, chr(65279) || 'x', TIMESTAMP '0001-01-01')) v(x, "a/b~", t)`;
  await duck.scan(`SELECT ${sql.join(', ')} FROM ${from}`, kinds, (rows, data) => {
    const json = Array.from({ length: rows }, (_, row) => rowToJson(inputs, data, row));
    expect(json).toEqual([
      { x: 1.5, 'a/b~': 'é', t: '2001-02-03T04:05:06.700000Z' },
      { x: null, 'a/b~': null, t: null },
      { x: null, 'a/b~': 'a\0', t: null },
      { x: -2.5, 'a/b~': '\uFEFFx', t: '0001-01-01T00:00:00Z' },
    ]);
    const signature = { inputs, label: 'binary', codes: [], numbers: [] } as const;
    const sent = parseRows(signature, JSON.parse(JSON.stringify(json)) as unknown[]);
    const scanned = columnsFromScan(inputs, data, rows);
    expect(sent.columns['a/b~']).toEqual(scanned.columns['a/b~']);
    expect((sent.columns.t as BigInt64Array)[0]).toBe((scanned.columns.t as BigInt64Array)[0]);
  });
});
