// Publishes that the stream confirms, many in flight behind one inbox.
// In: subject, payload, message id. Out: a promise that resolves when the broker has stored it.
// Why not the client's own publish: a request object, a timer and a stack trace each were half of what an offer cost.
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '../clock.ts';

type Open = {
  readonly done: () => void;
  readonly fail: (error: Error) => void;
  readonly untilMs: number;
};

export type ConfirmOptions = { readonly clock: Clock; readonly timeoutMs: number };

export class Confirmed {
  readonly #connection: NatsConnection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #inbox = createInbox();
  /** In the order of their deadlines, as each waits equally long. */
  readonly #open = new Map<string, Open>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: NatsConnection, { clock, timeoutMs }: ConfirmOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (!error) this.#onAnswer(message);
      },
    });
  }

  publish(subject: string, payload: string, messageId: string): Promise<void> {
    return new Promise((done, fail) => {
      const reply = `${this.#inbox}.${this.#count++}`;
      const named = headers();
      named.set('Nats-Msg-Id', messageId);
      this.#connection.publish(subject, payload, { reply, headers: named });
      const untilMs = this.#clock.monotonicMs() + this.#timeoutMs;
      this.#open.set(reply, { done, fail, untilMs });
      this.#watch();
    });
  }

  /** The connection is gone: whether they arrived, nobody knows. */
  failAll(reason: string): void {
    for (const [reply, { fail }] of this.#open) {
      this.#open.delete(reply);
      fail(new Error(reason));
    }
  }

  #onAnswer(message: Msg): void {
    const open = this.#open.get(message.subject);
    if (!open) return; // too late: it was given up, and is sent again
    this.#open.delete(message.subject);
    const refusal = refusalOf(message);
    if (refusal === undefined) open.done();
    else open.fail(new Error(refusal));
  }

  /** One timer for all. */
  #watch(): void {
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#expire();
      if (this.#open.size > 0) this.#watch();
    }, this.#timeoutMs / 4);
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [reply, { untilMs, fail }] of this.#open) {
      if (untilMs > nowMs) return;
      this.#open.delete(reply);
      fail(new Error('no confirmation in time'));
    }
  }
}

/** What the broker has against it: no stream there (503, without a body), or an error in its answer. */
function refusalOf(message: Msg): string | undefined {
  const code = message.headers?.code ?? 0;
  if (code >= 400) return code === 503 ? 'no stream takes it' : `status ${code}`;
  const answer = message.json<{ stream?: string; error?: { description?: string } }>();
  if (answer.error) return answer.error.description ?? 'an error without words';
  return answer.stream ? undefined : 'an answer that is no confirmation';
}
