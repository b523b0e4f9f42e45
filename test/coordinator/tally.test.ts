import { expect, test } from 'vitest';
import { Metrics } from '../../common/http/metrics.ts';
import { Tally } from '../../coordinator/tally.ts';

test('Tally counts by stage, code and kind, in the form of /metrics', async () => {
  const tally = new Tally();
  const metrics = new Metrics('test');
  metrics.read(() => tally.samples());
  tally.tasks('prepare', { computed: 1, reused: 0 });
  tally.tasks('prepare', { computed: 1, reused: 3 });
  tally.tasks('fit', { computed: 1, reused: 0 });
  tally.attemptFailed('MEMORY');
  tally.promotion('refused');
  tally.storeFailed('STORE_FULL');
  const lines = (await metrics.page()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'gristmill_tasks_total{stage="prepare",outcome="computed"} 2',
      'gristmill_tasks_total{stage="prepare",outcome="reused"} 3',
      'gristmill_tasks_total{stage="fit",outcome="computed"} 1',
      'gristmill_task_failures_total{code="MEMORY"} 1',
      'gristmill_promotions_total{kind="refused"} 1',
      'gristmill_promotions_total{kind="moved"} 0',
      'gristmill_store_errors_total{code="STORE_FULL"} 1',
    ]),
  );
});
