// What crosses the pipe between a host and its expendable child.
import type { WireError } from '../errors.ts';

export type ChildRequest =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly args: unknown }
  | { readonly kind: 'post'; readonly message: unknown };

export type ChildAnswer =
  | { readonly kind: 'value'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'post'; readonly message: unknown };

/** What a thread file's default export receives. */
export type ThreadCall = { readonly method: string; readonly args: unknown };

/** What a resident module's `startResident` receives. */
export type ResidentContext = {
  readonly threads: number;
  /** Runs `method` in a thread of the pool; `transfer` hands over ports. */
  readonly run: (
    method: string,
    args: unknown,
    transfer?: readonly import('node:worker_threads').Transferable[],
  ) => Promise<unknown>;
  readonly post: (message: unknown) => void;
  readonly onPost: (handler: (message: unknown) => void) => void;
};
