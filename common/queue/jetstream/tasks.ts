// The task half over JetStream: offers that the stream confirms, purges, what waits, and pulls.
// In: tasks. Out: leases.
// Why publishes through one inbox: a request object, a timer and a stack trace each cost more (confirm.ts).
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '../../clock.ts';
import { GristmillError } from '../../errors.ts';
import type { TaskId } from '../../ids.ts';
import { LIMITS } from '../../limits.ts';
import { mapParallel } from '../../parallel.ts';
import type { Task } from '../../wire/task.ts';
import { Confirmed } from '../confirm.ts';
import type { Door } from '../door.ts';
import {
  type Lease,
  messageId,
  type OfferOptions,
  type TaskQueue,
  taskSubject,
  tasksSubject,
} from '../tasks.ts';
import type { Gathered } from './gathered.ts';
import { Puller } from './pulls.ts';
import { STREAM, type Stream } from './stream.ts';

export type JetStreamTasksOptions = {
  readonly connection: NatsConnection;
  readonly stream: Stream;
  readonly gathered: Gathered;
  readonly door: Door;
};

export class JetStreamTasks implements TaskQueue {
  readonly #of: JetStreamTasksOptions;
  readonly #confirmed: Confirmed;
  readonly #pullers = new Map<string, Puller>();

  constructor(of: JetStreamTasksOptions) {
    this.#of = of;
    this.#confirmed = listenForConfirmations(of.connection);
  }

  async offer(task: Task, generation: number, { isNew }: OfferOptions = {}): Promise<void> {
    const payload = encodeTask(task);
    const id = messageId(task, generation, isNew === true);
    await this.#of.stream.insist('offer a task', task.numerics, () =>
      this.#confirmed.publish(taskSubject(task.numerics, task.task), payload, id),
    );
  }

  async withdraw(numerics: string, tasks: readonly TaskId[]): Promise<void> {
    const { stream } = this.#of;
    await mapParallel(tasks, LIMITS.purgesParallel, (task) =>
      stream.insist('withdraw a task', numerics, () =>
        stream.manager.streams.purge(STREAM, { filter: taskSubject(numerics, task) }),
      ),
    );
  }

  waiting(numerics: string): Promise<ReadonlySet<TaskId>> {
    const { stream } = this.#of;
    return stream.insist('list tasks', numerics, async () => {
      const filter = `${tasksSubject(numerics)}.>`;
      const info = await stream.manager.streams.info(STREAM, { subjects_filter: filter });
      const subjects = Object.keys(info.state.subjects ?? {});
      return new Set(subjects.map((s) => s.slice(s.lastIndexOf('.') + 1) as TaskId));
    });
  }

  pull(numerics: string, waitMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    return this.#pullerOf(numerics).pull(waitMs, signal);
  }

  restart(numerics: string): Promise<void> {
    return this.#of.stream.restart(numerics);
  }

  /** Whether what was on its way arrived, nobody knows. */
  disconnected(): void {
    this.#confirmed.failAll('disconnected');
  }

  /** Every outstanding request died with the connection, and the broker may be another one. */
  reconnected(): void {
    this.#of.stream.forget();
    for (const puller of this.#pullers.values()) puller.startOver();
  }

  close(): void {
    this.#of.stream.close();
    for (const puller of this.#pullers.values()) puller.close();
    this.#confirmed.failAll('closed');
  }

  #pullerOf(numerics: string): Puller {
    const known = this.#pullers.get(numerics);
    if (known) return known;
    const made = new Puller({ ...this.#of, numerics });
    this.#pullers.set(numerics, made);
    return made;
  }
}

function listenForConfirmations(connection: NatsConnection): Confirmed {
  const inbox = createInbox();
  const confirmed = new Confirmed({
    inbox,
    send: ({ subject, payload, messageId, reply }) => {
      const named = headers();
      named.set('Nats-Msg-Id', messageId);
      connection.publish(subject, payload, { reply, headers: named });
    },
    clock: systemClock,
    timeoutMs: LIMITS.queueTimeoutMs,
  });
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error) return;
      const status = message.headers?.code ?? 0;
      confirmed.hear({ subject: message.subject, status, json: () => message.json() });
    },
  });
  return confirmed;
}

function encodeTask(task: Task): string {
  const payload = JSON.stringify(task);
  const bytes = Buffer.byteLength(payload);
  if (bytes <= LIMITS.taskBytesMax) return payload;
  throw new GristmillError(
    'INTERNAL',
    `Cannot offer task ${task.task}: its message has ${bytes} bytes, expected at most ${LIMITS.taskBytesMax}`,
  );
}
