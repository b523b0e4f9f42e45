// Every broadcast in the system: its subject below `gm.`, and the schema at its door.
// In: nothing. Out: channels for Bus.publish and Bus.subscribe.
// Why one table: what is not here is not heard.
import type { RunId } from '../ids.ts';
import type { AliasMoved, Heartbeat, TaskSettled } from '../wire/event.ts';
import {
  decodeAliasMoved,
  decodeHeartbeat,
  decodeRoundPacket,
  decodeRunView,
  decodeTaskSettled,
  type RoundPacket,
} from '../wire/inbound.ts';
import type { RunView } from '../wire/round.ts';
import type { Channel } from './bus.ts';

const ENCODER = new TextEncoder();

function json<T>(of: Pick<Channel<T>, 'name' | 'subject' | 'decode' | 'gathers'>): Channel<T> {
  return { ...of, encode: (message) => ENCODER.encode(JSON.stringify(message)) };
}

export const CHANNELS = {
  /** Who works, every LIMITS.heartbeatMs. */
  heartbeat: json<Heartbeat>({
    name: 'heartbeat',
    subject: 'gm.beat',
    gathers: false,
    decode: decodeHeartbeat,
  }),
  /** A task was committed or failed: look now. */
  taskSettled: json<TaskSettled>({
    name: 'taskSettled',
    subject: 'gm.event.task',
    gathers: true,
    decode: decodeTaskSettled,
  }),
  /** An alias moved: look now. */
  aliasMoved: json<AliasMoved>({
    name: 'aliasMoved',
    subject: 'gm.event.alias',
    gathers: false,
    decode: decodeAliasMoved,
  }),
  /** Repeated by the coordinator: who owns which lanes. */
  runs: json<RunView>({
    name: 'runs',
    subject: 'gm.run.view',
    gathers: false,
    decode: decodeRunView,
  }),
  /** Hellos and sums of one run, as bytes whose header has been checked. */
  run: (run: RunId): Channel<RoundPacket> => ({
    name: 'round',
    subject: `gm.run.${run.slice(0, 16)}.round`,
    gathers: false,
    encode: ({ bytes }) => bytes,
    decode: decodeRoundPacket,
  }),
} as const;
