import { expect, test } from 'vitest';
import { Metrics } from '../../gateway/metrics.ts';

test('render() writes counters, gauges and a cumulative histogram', () => {
  const metrics = new Metrics();
  metrics.add('gristmill_inference_requests_total', { model: 'm', version: 1, code: 200 });
  metrics.add('gristmill_inference_requests_total', { model: 'm', version: 1, code: 200 });
  metrics.set('gristmill_store_up', {}, 1);
  for (const seconds of [0.0004, 0.003, 60]) metrics.observeSeconds({ model: 'm' }, seconds);
  const lines = metrics.render().split('\n');
  expect(lines).toContain('gristmill_inference_requests_total{model="m",version="1",code="200"} 2');
  expect(lines).toContain('gristmill_store_up 1');
  const bucket = (edge: string): string =>
    `gristmill_inference_duration_seconds_bucket{model="m",le="${edge}"}`;
  expect(lines).toContain(`${bucket('0.0005')} 1`);
  expect(lines).toContain(`${bucket('0.005')} 2`);
  expect(lines).toContain(`${bucket('5')} 2`);
  expect(lines).toContain(`${bucket('+Inf')} 3`);
  expect(lines).toContain('gristmill_inference_duration_seconds_count{model="m"} 3');
});

test('render() lets no label end its line or its quotes', () => {
  const metrics = new Metrics();
  metrics.add('gristmill_swaps_total', { model: 'a"} 1\nevil' });
  expect(metrics.render()).toContain('gristmill_swaps_total{model="a_} 1_evil"} 1');
});
