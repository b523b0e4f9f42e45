// CPU time of a process, split among the calls that ran.
import { expect, test } from 'vitest';
import { Meter } from '../../../common/child/meter.ts';

test('Meter splits what passes evenly among the calls that run', () => {
  let cpu = 0;
  const meter = new Meter(() => cpu);
  cpu = 5; // nobody ran: nobody's
  meter.begin(1);
  cpu = 7;
  meter.begin(2);
  cpu = 11;
  expect(meter.end(1)).toBe(2 + 2);
  cpu = 12;
  expect(meter.end(2)).toBe(2 + 1);
});
