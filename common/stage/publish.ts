// publish: a version gets its number. The registry writes a manifest; no task runs.
// In: model.onnx, its figures, its golden rows. Out: the version, and whether it was there before.
import Type from 'typebox';
import { Count, field, nullable, type StageRow } from './stage.ts';

export const publish = {
  words: 'blobs, then the manifest that claims the number',
  unit: 'task',
  programs: {},
  found: {
    published: field(
      nullable(Type.Object({ model: Type.String(), version: Count, reused: Type.Boolean() })),
      null,
    ),
  },
} satisfies StageRow;
