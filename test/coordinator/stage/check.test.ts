import { expect, test } from 'vitest';
import { jsonBytes } from '../../../common/store/store.ts';
import { parseJob } from '../../../common/wire/job/job.ts';
import { checkSpec } from '../../../coordinator/stage/check.ts';
import coordinatorThread from '../../../coordinator/thread.ts';
import { inlineChild } from '../../support/inline-child.ts';

const machinery = { child: inlineChild(coordinatorThread) };
const SCHEMA = [
  { name: '__index_level_0__', type: 'BIGINT' },
  { name: 'x', type: 'DOUBLE' },
];
const check = (spec: object, schema = SCHEMA) =>
  checkSpec(
    machinery,
    parseJob(jsonBytes({ specVersion: 1, name: 'a', dataset: '*', ...spec })),
    schema,
  );

test("checkSpec() takes a dataset with pandas' index, as long as nothing reads it", async () => {
  const x = [{ name: 'x', type: 'DOUBLE' }];
  expect((await check({ clean: [{ filter: 'x > 1' }] })).source).toEqual(x);
  expect((await check({})).source).toEqual(x); // rows are counted by a column that may be read
  const reading = [{ filter: '__index_level_0__ > 1' }, { require: ['__index_level_0__'] }];
  for (const rule of reading) {
    await expect(check({ clean: [rule] })).rejects.toMatchObject({
      code: 'SQL_COLUMN',
      message:
        'Cannot read column "__index_level_0__": names that begin with "__" are our own, expected another name',
    });
  }
});

test('checkSpec() refuses a dataset with a column that numbers its rows', async () => {
  const schema = [...SCHEMA, { name: 'File_Row_Number', type: 'BIGINT' }];
  await expect(check({}, schema)).rejects.toMatchObject({ code: 'SQL_COLUMN' });
});
