// gate: challenger against champion on the newest test rows, then the alias. Its tasks are those of prepare and evaluate.
// In: a version, an alias. Out: the decision, and the evidence for it.
import Type from 'typebox';
import type { Evidence } from '../wire/model.ts';
import { field, nullable, type StageRow, words } from './stage.ts';

/** none: nobody asked for an alias, or the version had it already. */
export const DECISIONS = ['accepted', 'refused', 'none'] as const;
export type Decision = (typeof DECISIONS)[number];
export const DecisionSchema = words(
  DECISIONS,
  'what the gate said; a refused version is a succeeded job',
);

export const gate = {
  words: 'evidence on the newest test rows, then the alias',
  unit: 'task',
  programs: {},
  found: {
    gate: field(
      nullable(
        Type.Object({
          environment: Type.String(),
          alias: Type.String(),
          decision: DecisionSchema,
          evidence: nullable(Type.Unsafe<Evidence>(Type.Ref('Evidence#'))),
        }),
      ),
      null,
    ),
  },
} satisfies StageRow;
