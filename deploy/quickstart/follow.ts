// One job from its submission to its end, for who tells a story about it.
// In: a client and a spec. Out: facts as they happen, live views between, and the last view.
// Why beside the client: a story has no use for a job that failed, so that is an error here.
import type { Client, JobView } from '../../cli/client.ts';
import { CODES, type Code } from '../../common/errors.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import type { JobEvent } from '../../common/wire/view.ts';

export type Watcher = {
  onSubmitted?(id: string): void;
  onFact?(event: JobEvent): void;
  onView?(view: JobView): void;
};

/** The job ended otherwise than it should. */
export class JobError extends Error {}

export async function runJob(
  client: Pick<Client, 'submitJob' | 'followJob'>,
  spec: JobInput,
  { onSubmitted, onFact, onView }: Watcher = {},
): Promise<JobView> {
  const { job } = await client.submitJob(new TextEncoder().encode(JSON.stringify(spec)));
  onSubmitted?.(job.id);
  let last: JobView | undefined;
  for await (const news of client.followJob(job.id)) {
    if (news.kind === 'fact') onFact?.(news.event);
    if (news.kind !== 'view') continue;
    last = news.view;
    onView?.(last);
  }
  return checkSucceeded(last!);
}

function checkSucceeded(view: JobView): JobView {
  if (view.state === 'succeeded') return view;
  const { error } = view;
  const why = error ? `${error.code}: ${error.message}` : 'it names no error';
  const fields = (error?.errors ?? []).map(({ pointer, detail }) => `; ${pointer}: ${detail}`);
  const remedy = error ? `. ${CODES[error.code as Code]?.remedy ?? ''}` : '';
  throw new JobError(`Job ${view.id} ${view.state}: ${why}${fields.join('')}${remedy}`);
}
