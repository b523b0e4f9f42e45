// What the door refused, as figures.
import { expect, test } from 'vitest';
import { Metrics } from '../../../common/http/metrics.ts';
import { refusedSamples } from '../../../common/queue/refused.ts';

test('refusedSamples() has every channel from the start, and tasks', async () => {
  const refused = new Map<string, number>();
  const metrics = new Metrics('worker');
  metrics.read(() => refusedSamples(refused));
  const counts = async () =>
    Object.fromEntries(
      [
        ...(await metrics.page()).matchAll(
          /^gristmill_messages_refused_total\{channel="(\w+)"\} (\d+)$/gm,
        ),
      ].map(([, channel, count]) => [channel, Number(count)]),
    );
  const none = { heartbeat: 0, taskSettled: 0, aliasMoved: 0, runs: 0, round: 0, task: 0 };
  expect(await counts()).toEqual(none);
  refused.set('round', 2);
  expect(await counts()).toEqual({ ...none, round: 2 });
  refused.set('round', 3);
  expect(await counts()).toEqual({ ...none, round: 3 });
});
