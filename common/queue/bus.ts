// The half of the queue that tells: heartbeats, hints, views and sums, to whoever listens, at most once.
// In: messages of a channel. Out: the same, checked, at every listener. Nothing on it is truth: all is said again,
// or also found in the store. Why channels: what is heard has passed a schema, as nobody can subscribe without one.

export type Unsubscribe = () => void;

/** One kind of message: where it travels, and how it becomes bytes and comes back. */
export type Channel<T> = {
  /** What a refusal is counted under. */
  readonly name: string;
  readonly subject: string;
  /** May wait LIMITS.queueGatherMs, to share a write with others. */
  readonly gathers: boolean;
  encode(message: T): Uint8Array;
  /** Throws MessageRefused for what does not conform. */
  decode(bytes: Uint8Array): T;
};

export type Bus = {
  /** Fire and forget. */
  publish<T>(channel: Channel<T>, message: T): void;
  /** Hears what conforms; the rest is counted, logged now and then, and dropped. */
  subscribe<T>(channel: Channel<T>, handler: (message: T) => void): Unsubscribe;
  /** Messages that did not conform since the start, by channel; "task" for those of the task stream. */
  refused(): ReadonlyMap<string, number>;
};
