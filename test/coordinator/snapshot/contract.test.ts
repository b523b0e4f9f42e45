import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Contract, ownTypes } from '../../../coordinator/snapshot/contract.ts';

const TYPES = [
  ...['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER'],
  ...['UBIGINT', 'FLOAT', 'DOUBLE', 'DECIMAL(10,2)', 'DECIMAL(18,6)', 'DATE', 'TIMESTAMP_S'],
  ...['TIMESTAMP', 'TIMESTAMP_NS', 'VARCHAR', 'BLOB', 'UUID', 'NULL'],
];
const schemaOf = (types: readonly string[]) => {
  const contract = new Contract();
  for (const [i, type] of types.entries())
    contract.add(`k${i}`, [{ name: 'x', type }], { isEmpty: false });
  return contract.schema[0]!;
};

test('Contract gives a column the same type in whatever order its files come', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...TYPES), { minLength: 2, maxLength: 5 }), (types) => {
      const [one, other] = [schemaOf(types), schemaOf([...types].reverse())];
      expect(one.unreadable === undefined).toBe(other.unreadable === undefined);
      if (one.unreadable === undefined) expect(one.type).toBe(other.type);
    }),
    { seed: 20261125, numRuns: 2000 },
  );
});

test('Contract names two objects whose types no type holds', () => {
  expect(schemaOf(['BIGINT', 'INTEGER', 'VARCHAR']).unreadable).toMatch(
    /^it is BIGINT in k0 and VARCHAR in k2, expected/,
  );
});

test('Contract believes no type of an object without rows', () => {
  const contract = new Contract();
  contract.add('a', [{ name: 'x', type: 'VARCHAR' }], { isEmpty: true });
  contract.add('b', [{ name: 'x', type: 'BIGINT' }], { isEmpty: false });
  expect(contract.schema).toEqual([{ name: 'x', type: 'BIGINT' }]);
});

test('Contract has a folder as a column where no file has it', () => {
  const contract = new Contract();
  contract.add('day=1/x=2/a', [{ name: 'x', type: 'BIGINT' }], { isEmpty: false });
  expect(contract.schema).toEqual([
    { name: 'x', type: 'BIGINT' },
    { name: 'day', type: 'VARCHAR', from: 'folder' },
  ]);
});

test('ownTypes() says what an object has otherwise, and nothing of one that has all', () => {
  const schema = [
    { name: 'x', type: 'BIGINT' },
    { name: 'y', type: 'DATE' },
  ];
  expect(ownTypes(schema, [...schema].reverse())).toBeUndefined();
  expect(ownTypes(schema, [{ name: 'x', type: 'INTEGER' }])).toEqual({ x: 'INTEGER', y: null });
});
