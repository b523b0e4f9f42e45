// A resident module: answers posts by running a method in a thread.
import { setTimeout as delay } from 'node:timers/promises';
import type { ResidentContext } from '../../../common/child/protocol.ts';

await delay(100); // what arrives before it stands must not be lost

export function startResident(context: ResidentContext): void {
  context.onPost(async (message) => {
    try {
      const { method, args } = message as { method: string; args: unknown };
      context.post({ value: await context.run(method, args), threads: context.threads });
    } catch (error) {
      context.post({ code: (error as { code?: unknown }).code });
    }
  });
}
