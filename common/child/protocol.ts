// What crosses the pipe between a host and its expendable child, and the border of its threads.
// In: calls and posts of the host. Out: values, posts and errors of the child, which cross as data.
// Why types alone: both sides are one version, started by one another; nobody else speaks here.
import type { Transferable } from 'node:worker_threads';
import type { WireError } from '../errors.ts';

export type ChildRequest =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly args: unknown }
  | { readonly kind: 'post'; readonly message: unknown };

export type ChildAnswer =
  | {
      readonly kind: 'value';
      readonly id: number;
      readonly value: unknown;
      readonly cpuSeconds: number;
    }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'post'; readonly message: unknown };

/** What a thread file's default export receives. */
export type ThreadCall = { readonly method: string; readonly args: unknown };

export type ThreadAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: WireError };

/** What a resident module's `startResident` receives. */
export type ResidentContext = {
  readonly threads: number;
  /** Runs `method` in a thread of the pool; `transfer` hands over ports. */
  readonly run: (
    method: string,
    args: unknown,
    transfer?: readonly Transferable[],
  ) => Promise<unknown>;
  readonly post: (message: unknown) => void;
  readonly onPost: (handler: (message: unknown) => void) => void;
};
