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
        }),
      ),
      null,
    ),
  },
} satisfies StageRow;
