// Publishes that the stream confirms, many in flight behind one inbox.
// In: subject, payload, message id. Out: a promise that resolves when the broker has stored it.
// Why not the client's own publish: a request object, a timer and a stack trace each were half of what an offer cost.
import type { Clock } from '../clock.ts';

type Open = {
  readonly done: () => void;
  readonly fail: (error: Error) => void;
  readonly untilMs: number;
};

export type ConfirmOptions = {
  /** Subjects below this are ours. */
  readonly inbox: string;
  readonly send: (message: Sent) => void;
  readonly clock: Clock;
  readonly timeoutMs: number;
};

export type Sent = {
  readonly subject: string;
  readonly payload: string;
  readonly messageId: string;
  readonly reply: string;
};

/** What came to the inbox: a status without a body (503: no stream listens), or JSON. */
export type Answer = {
  readonly subject: string;
  readonly status: number;
  readonly json: () => { readonly stream?: string; readonly error?: { description?: string } };
};

export class Confirmed {
  readonly #options: ConfirmOptions;
  /** In the order of their deadlines, as each waits equally long. */
  readonly #open = new Map<string, Open>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConfirmOptions) {
    this.#options = options;
  }

  publish(subject: string, payload: string, messageId: string): Promise<void> {
    return new Promise((done, fail) => {
      const { inbox, clock, timeoutMs } = this.#options;
      const reply = `${inbox}.${this.#count++}`;
      this.#options.send({ subject, payload, messageId, reply });
      const untilMs = clock.monotonicMs() + timeoutMs;
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

  hear(answer: Answer): void {
    const open = this.#open.get(answer.subject);
    if (!open) return; // too late: it was given up, and is sent again
    this.#open.delete(answer.subject);
    const refusal = refusalOf(answer);
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
    }, this.#options.timeoutMs / 4);
  }

  #expire(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [reply, { untilMs, fail }] of this.#open) {
      if (untilMs > nowMs) return;
      this.#open.delete(reply);
      fail(new Error('no confirmation in time'));
    }
  }
}

/** What the broker has against it, if anything. */
function refusalOf({ status, json }: Answer): string | undefined {
  if (status >= 400) return status === 503 ? 'no stream takes it' : `status ${status}`;
  const { stream, error } = json();
  if (error) return error.description ?? 'an error without words';
  return stream ? undefined : 'an answer that is no confirmation';
}
