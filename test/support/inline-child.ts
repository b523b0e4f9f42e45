// A child that is no process: the same calls, run in the test's own thread.
// In: a thread file's function, perhaps a resident. Out: a Child without limits, for code that is not hostile.
// Why: the tiny whole flow and unit tests read better, and debug better, in one process.
import type { Child } from '../../common/child/host.ts';
import type { ResidentContext, ThreadCall } from '../../common/child/protocol.ts';

type Thread = (call: ThreadCall) => Promise<unknown>;

export function inlineChild(
  thread: Thread,
  options: { startResident?: (context: ResidentContext) => void; threads?: number } = {},
): Child {
  const toResident: ((message: unknown) => void)[] = [];
  const toHost: ((message: unknown) => void)[] = [];
  options.startResident?.({
    threads: options.threads ?? 1,
    run: (method, args) => thread({ method, args }),
    post: (message) =>
      setImmediate(() => {
        for (const handler of toHost) handler(message);
      }),
    onPost: (handler) => {
      toResident.push(handler);
    },
  });
  return {
    async call<T>(method: string, args: unknown): Promise<T> {
      return (await thread({ method, args })) as T;
    },
    post(message) {
      setImmediate(() => {
        for (const handler of toResident) handler(message);
      });
      return true;
    },
    onPost: (handler) => {
      toHost.push(handler);
    },
    onLost: () => {},
    kill: () => {},
    pid: process.pid,
    close: async () => {},
  };
}
