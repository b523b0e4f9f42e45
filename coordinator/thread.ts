// What the coordinator's expendable child can do: footers and spec SQL.
// In: a method and its arguments. Out: plain data, or one error.
import type { ThreadCall } from '../common/child/protocol.ts';
import { GristmillError } from '../common/errors.ts';
import { parseFooter } from './snapshot/footer-thread.ts';
import { type CheckRequest, check } from './stage/check-thread.ts';

export default async function run({ method, args }: ThreadCall): Promise<unknown> {
  switch (method) {
    case 'check':
      return check(args as CheckRequest);
    case 'footer':
      return parseFooter(args as { path: string; folder: string });
    default:
      throw new GristmillError('INTERNAL', `Cannot run ${method}, expected check or footer`);
  }
}
