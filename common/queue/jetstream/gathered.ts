// What may wait a millisecond: pulls, acks and hints of many tasks then share one write, and wake the broker once.
// In: sends. Out: the same, all of one millisecond in one turn.
// Why not for all: sums and views of rounds never wait.
import type { NatsConnection } from '@nats-io/transport-node';
import { LIMITS } from '../../limits.ts';

export class Gathered {
  readonly #connection: NatsConnection;
  #sends: (() => void)[] = [];

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  add(send: () => void): void {
    if (this.#sends.push(send) === 1) setTimeout(() => this.flush(), LIMITS.queueGatherMs);
  }

  flush(): void {
    const sends = this.#sends;
    this.#sends = [];
    if (this.#connection.isClosed()) return;
    for (const send of sends) send();
  }
}
