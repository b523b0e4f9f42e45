// snapshot: which objects a dataset had at one moment. The coordinator reads footers; no task runs.
// In: a pattern. Out: the snapshot's digest and size.
import Type from 'typebox';
import type { Digest } from '../ids.ts';
import { Count, field, nullable, type StageRow } from './stage.ts';

export const snapshot = {
  words: 'which objects the dataset has now',
  unit: 'task',
  programs: {},
  found: {
    snapshot: field(
      nullable(
        Type.Object({
          digest: Type.Unsafe<Digest>(Type.String()),
          objects: Count,
          rowGroups: Count,
          rows: Count,
          bytes: Count,
          skipped: Type.Optional(
            Type.Object(
              { empty: Count, hidden: Count, foreign: Count },
              {
                description:
                  'objects passed over: without a byte; names that begin with "_" or "."; in a folder, not called .parquet',
              },
            ),
          ),
          differences: Type.Optional(
            Type.Array(
              Type.Object({
                column: Type.String(),
                absent: Type.Integer({
                  minimum: 0,
                  description: 'objects that have no such column',
                }),
                types: Type.Array(Type.String(), {
                  description: 'other types that it has in some objects',
                }),
                object: Type.String({ description: 'the first of these objects' }),
              }),
              { description: 'columns that not all objects have alike' },
            ),
          ),
        }),
      ),
      null,
    ),
  },
} satisfies StageRow;
