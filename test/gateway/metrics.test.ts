import { expect, test } from 'vitest';
import { Metrics } from '../../gateway/metrics.ts';

test('Metrics counts by labels, and times in a cumulative histogram', async () => {
  const metrics = new Metrics();
  metrics.add('gristmill_inference_requests_total', { model: 'm', version: 1, code: 200 });
  metrics.add('gristmill_inference_requests_total', { model: 'm', version: 1, code: 200 });
  for (const seconds of [0.0004, 0.003, 60]) metrics.observeSeconds({ model: 'm' }, seconds);
  const lines = (await metrics.service.page()).split('\n');
  expect(lines).toContain('gristmill_inference_requests_total{model="m",version="1",code="200"} 2');
  expect(lines).toContain('gristmill_inference_calls_total 0');
  const bucket = (edge: string): string =>
    `gristmill_inference_duration_seconds_bucket{le="${edge}",model="m"}`;
  expect(lines).toContain(`${bucket('0.0005')} 1`);
  expect(lines).toContain(`${bucket('0.005')} 2`);
  expect(lines).toContain(`${bucket('5')} 2`);
  expect(lines).toContain(`${bucket('+Inf')} 3`);
  expect(lines).toContain('gristmill_inference_duration_seconds_count{model="m"} 3');
});

test('a label neither ends its line nor its quotes', async () => {
  const metrics = new Metrics();
  metrics.add('gristmill_swaps_total', { model: 'a"} 1\nevil', alias: 'x', outcome: 'done' });
  const page = await metrics.service.page();
  expect(page).toContain(
    'gristmill_swaps_total{model="a\\"} 1\\nevil",alias="x",outcome="done"} 1',
  );
});
