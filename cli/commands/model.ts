// gristmill model. In: the context. Out: its exit code.
// Why here: the table names this file.
import { GristmillError } from '../../common/errors.ts';
import type { Run } from '../context.ts';

const run: Run = async ({ command }) => {
  throw new GristmillError('USAGE', `Cannot run ${command}: it is not part of this build`);
};
export const list = run;
export const show = run;
export const gate = run;
export const rollback = run;
