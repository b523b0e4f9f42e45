// `gristmill down`: ends what `up --detach` left running.
// In: nothing. Out: what was stopped.
// Why a file of its own: a row of the table loads one.
import type { Run } from '../context.ts';
import { startCluster } from './up.ts';

export const run: Run = (context) => startCluster(context, ['--stop']);
