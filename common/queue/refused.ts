// What was refused at the door, as a figure for /metrics.
// In: counts by channel since the start. Out: samples, one for every channel there is.
// Why zeros too: an alert on a series that begins with its first count cannot tell that it rose.
import type { Sample } from '../http/metrics.ts';
import type { RunId } from '../ids.ts';
import { CHANNELS } from './channels.ts';

const channels = Object.values(CHANNELS).map((one) =>
  typeof one === 'function' ? one('' as RunId) : one,
);
const NAMES = [...channels.map(({ name }) => name), 'task'];

export const refusedSamples = (refused: ReadonlyMap<string, number>): readonly Sample[] =>
  NAMES.map((channel) => ({
    name: 'gristmill_messages_refused_total',
    help: 'Messages that did not conform and were dropped, by channel; "task" for offered tasks',
    type: 'counter',
    labels: { channel },
    value: refused.get(channel) ?? 0,
  }));
