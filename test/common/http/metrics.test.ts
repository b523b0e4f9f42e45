import { expect, test } from 'vitest';
import { Metrics, type Sample } from '../../../common/http/metrics.ts';

const jobs = (state: string, value: number): Sample => ({
  name: 'gristmill_jobs',
  help: 'Jobs by state',
  type: 'gauge',
  labels: { state },
  value,
});

test('read() asks at each scrape, and forgets series that are told no more', async () => {
  const metrics = new Metrics('test');
  let told = [jobs('running', 2), jobs('queued', 1)];
  metrics.read(() => told);
  expect(await metrics.page()).toMatch(
    /^# TYPE gristmill_jobs gauge\ngristmill_jobs\{state="running"\} 2\ngristmill_jobs\{state="queued"\} 1$/m,
  );
  told = [jobs('running', 3)];
  const page = await metrics.page();
  expect(page).toContain('gristmill_jobs{state="running"} 3\n');
  expect(page).not.toContain('queued');
});

test('two services in one process share no figure', async () => {
  const [one, two] = [new Metrics('one'), new Metrics('two')];
  const count = (of: Metrics) => of.counter('gristmill_things_total', 'Things', ['kind']);
  const things = count(one);
  count(two);
  things.inc({ kind: 'a' });
  expect(await one.page()).toContain('gristmill_things_total{kind="a"} 1');
  expect(await two.page()).not.toContain('kind="a"');
  expect(await two.page()).toContain('gristmill_build_info{role="two"');
});

test('a label that was not declared is a mistake of ours, told at once', () => {
  const things = new Metrics('test').counter('gristmill_things_total', 'Things', ['kind']);
  expect(() => things.inc({ id: 'j-1' } as never)).toThrow(/label/);
});

test('the process is told of: what runs, its CPU time and its memory', async () => {
  const page = await new Metrics('test').page();
  expect(page).toMatch(/^process_cpu_seconds_total [\d.]+$/m);
  expect(page).toMatch(/^process_resident_memory_bytes \d+$/m);
});
