// The queue moves work and hints; it holds no truth. Losing all of it loses nothing but time.
// In: an opened connection to a broker. Out: its two halves and how it stands.
// Why two halves: whoever only listens needs no leases. Functions take the half they need; a role's main opens both.
import type { Bus } from './bus.ts';
import type { TaskQueue } from './tasks.ts';

/** How the connection under both halves stands. */
export type Broker = {
  readonly uri: string;
  /** True while the broker answers. */
  isConnected(): boolean;
  close(): Promise<void>;
};

export type Queue = TaskQueue & Bus & Broker;
