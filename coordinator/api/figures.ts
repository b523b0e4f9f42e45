// The coordinator's figures that are read when somebody asks: workers and the queue.
// In: heartbeats, the connection. Out: samples for /metrics. Why read: what is alive now is not what was counted once.
import type { MetricName, Sample } from '../../common/http/metrics.ts';
import type { ApiDeps } from './deps.ts';

export function coordinatorSamples({
  workers,
  queue,
}: Pick<ApiDeps, 'workers' | 'queue'>): readonly Sample[] {
  const live = workers.live();
  const sum = (of: (heartbeat: (typeof live)[number]) => number): number =>
    live.reduce((total, heartbeat) => total + of(heartbeat), 0);
  const gauge = (name: MetricName, help: string, value: number): Sample => ({
    name,
    help,
    type: 'gauge',
    value,
  });
  const running = sum(({ tasks }) => tasks.length);
  return [
    gauge('gristmill_queue_connected', '1 while the queue answers', queue.isConnected() ? 1 : 0),
    gauge('gristmill_workers', 'Workers whose heartbeat is fresh', live.length),
    gauge(
      'gristmill_worker_threads',
      'Threads of live workers',
      sum((one) => one.threads),
    ),
    gauge(
      'gristmill_worker_threads_free',
      'Threads without a task',
      sum((w) => w.threadsFree),
    ),
    gauge('gristmill_tasks_running', 'Tasks that workers claim', running),
  ];
}
