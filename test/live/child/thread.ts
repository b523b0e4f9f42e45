// What a thread may do to its child: answer, fail, hang, crash, bloat, look around.
import { setTimeout as delay } from 'node:timers/promises';
import type { ThreadCall } from '../../../common/child/protocol.ts';
import { GristmillError } from '../../../common/errors.ts';

const held: Buffer[] = [];

export default async function run({ method, args }: ThreadCall): Promise<unknown> {
  switch (method) {
    case 'echo':
      return args;
    case 'pid':
      return process.pid;
    case 'environ':
      return process.env;
    case 'sleep':
      await delay(args as number);
      return 'slept';
    case 'fail':
      throw new GristmillError('NONFINITE_LOSS', 'The loss is NaN', {
        errors: [{ pointer: '/train', detail: 'too fast' }],
      });
    case 'burn':
      return burn(args as number);
    case 'spin':
      for (;;);
    case 'crash':
      return process.kill(process.pid, 'SIGSEGV');
    case 'bloat':
      for (;;) held.push(Buffer.alloc(16 * 1024 * 1024, 1));
    default:
      throw new Error(`no method ${method}`);
  }
}

/** Uses this many milliseconds of CPU. */
function burn(ms: number): number {
  const start = process.threadCpuUsage();
  let used = 0;
  while (used < ms) {
    const { user, system } = process.threadCpuUsage(start);
    used = (user + system) / 1000;
  }
  return used;
}
