// gristmill job: submit, list, show, watch, logs, cancel, repin.
// In: a file or an id. Out: what the coordinator says of jobs; exit codes that a script can branch on.
// Why following is one loop: a terminal repaints, a log gets a line a fact, --json a line an event, of the same news.
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { parseStrictJson } from '../../common/wire/json.ts';
import { duration } from '../../common/words/figures.ts';
import type { JobView } from '../api.ts';
import { type ClientError, isOver } from '../client.ts';
import { type Context, EXIT, type Run } from '../context.ts';
import { nameOf } from '../input.ts';
import { age, moment } from '../print.ts';
import { showLines, stateOf } from '../show.ts';
import { cut } from '../text.ts';
import { exitOfJob, factLines, waitLines, watchLines } from '../watch.ts';

export const submit: Run<{ watch?: true; idempotencyKey?: string }> = async (
  context,
  [file = ''],
  { watch: isWatched, idempotencyKey },
) => {
  const { client, out } = context;
  const body = await context.readFile(file);
  parseStrictJson(body, nameOf(file)); // here, because the message can name the file
  const key = checkKey(idempotencyKey);
  const { job, isReplayed } = await client.submitJob(body, { idempotencyKey: key });
  if (isReplayed) out.note(`This key was used before with the same job: ${job.id} is that one.`);
  if (isWatched) return follow(context, job.id);
  if (out.isJson) out.json(job);
  out.line(`Submitted ${job.id}. To see it: gristmill job watch ${job.id}`);
  return EXIT.done;
};

export const list: Run<{ limit: number }> = async ({ client, out, clock }, _args, { limit }) => {
  const page = await client.listJobs({ limit });
  if (out.isJson) {
    out.json(page);
    return EXIT.done;
  }
  if (page.jobs.length === 0) {
    out.line('There are no jobs. To write one from a dataset: gristmill init URI --label EXPR');
    return EXIT.done;
  }
  out.table({
    head: ['JOB', 'NAME', 'STATE', 'MODEL', 'SUBMITTED', 'TOOK'],
    rows: page.jobs.map((job) => [
      job.id,
      job.name,
      stateOf(job, out.style) + (job.waiting === null ? '' : ', waits'),
      job.published ? `${job.published.model} v${job.published.version}` : '',
      age(job.submittedAt, clock.now()),
      job.finishedAt === null ? '' : duration((job.finishedAt - job.submittedAt) / 1000),
    ]),
  });
  if (page.next !== null && out.isTerminal) {
    out.line(out.style('dim', 'There are older ones: --limit N shows up to 200.'));
  }
  return EXIT.done;
};

export const show: Run = async (context, [given = '']) => {
  const { out, clock } = context;
  const view = await findJob(context, given);
  if (out.isJson) out.json(view);
  else for (const line of showLines(view, out.style, clock.now())) out.line(cut(line, out.columns));
  return EXIT.done;
};

export const watch: Run = async (context, [given = '']) =>
  follow(context, (await findJob(context, given)).id);

export const logs: Run<{ follow?: true }> = async (context, [given = ''], options) => {
  const { client, out } = context;
  const view = await findJob(context, given);
  const isEndless = options.follow === true || isOver(view);
  try {
    for await (const news of client.followJob(view.id)) {
      if (news.kind === 'fact') {
        const { at, formatVersion: _, ...fact } = news.event;
        if (out.isJson) out.json({ n: news.n, at, ...fact });
        for (const line of factLines(fact, out.style)) {
          out.line(`${out.style('dim', moment(at))}  ${line}`);
        }
      } else if (!isEndless)
        break; // all facts so far come before the first view
      else if (news.kind === 'away') out.note(awayLine(news.error));
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
    return EXIT.interrupted;
  }
  return EXIT.done;
};

export const cancel: Run = async (context, [given = '']) => {
  const { client, out } = context;
  const { id } = await findJob(context, given);
  const view = await client.cancelJob(id);
  if (out.isJson) out.json(view);
  out.line(`Cancelling ${id}; what it has computed stays and is used again.`);
  return EXIT.done;
};

export const repin: Run = async (context, [given = '']) => {
  const { client, out } = context;
  const { id } = await findJob(context, given);
  const view = await client.repinJob(id);
  if (out.isJson) out.json(view);
  out.line(`${id} goes on, with the same rows, under the numerics that live workers have.`);
  return EXIT.done;
};

/** Shows a job until it has ended. Ctrl-C leaves it running. */
async function follow(context: Context, id: string): Promise<number> {
  const { client, out, signal } = context;
  const screen = out.screen();
  let last: JobView | undefined;
  const paint = (away?: ClientError): void => {
    if (!last || out.isJson || !out.isTerminal) return;
    const lines = watchLines(last, out.style);
    screen.paint(away ? [...lines, out.style('yellow', awayLine(away))] : lines);
  };
  let wasAway = false;
  try {
    if (!out.isTerminal) out.line(`job ${id}`);
    for await (const news of client.followJob(id)) {
      const before = last;
      if (news.kind === 'view') last = news.view;
      if (out.isJson && news.kind !== 'away') out.json(news);
      else if (news.kind === 'fact' && !out.isTerminal) {
        for (const line of factLines(news.event, out.style)) out.line(line);
      } else if (news.kind === 'view' && !out.isTerminal) {
        for (const line of waitLines(before, news.view, out.style)) out.line(line);
      }
      if (news.kind === 'away' && !wasAway && !(out.isTerminal && last))
        out.note(awayLine(news.error));
      wasAway = news.kind === 'away';
      paint(news.kind === 'away' ? news.error : undefined);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    screen.leave();
    out.note(
      `\n${id} goes on. To see it again: gristmill job watch ${id}; to end it: gristmill job cancel ${id}`,
    );
    return EXIT.interrupted;
  } finally {
    screen.leave();
  }
  if (!last) throw new GristmillError('INTERNAL', `Cannot tell how ${id} ended: it was never seen`);
  if (!out.isTerminal && !out.isJson) {
    for (const line of watchLines(last, out.style).slice(-1)) out.line(line);
  }
  return exitOfJob(last);
}

const awayLine = ({ message }: ClientError): string => `${message}; asking again …`;

const ID = /^j-[0-9a-f]{20}$/;

/** By its id, or by the start of one that no other of the last 200 jobs shares. */
async function findJob({ client }: Context, given: string): Promise<JobView> {
  if (ID.test(given)) return client.job(given);
  const { jobs } = await client.listJobs({ limit: LIMITS.pageRowsMax });
  const found = jobs.filter(({ id }) => id.startsWith(given) || id.startsWith(`j-${given}`));
  if (found.length === 1) return client.job(found[0]!.id);
  const what = `Cannot find job ${JSON.stringify(given.slice(0, 80))}`;
  if (found.length > 1) {
    const some = found.slice(0, 3).map(({ id }) => id);
    throw new GristmillError(
      'USAGE',
      `${what}: ${found.length} begin so (${some.join(', ')}), expected one`,
    );
  }
  const newest = jobs.slice(0, 3).map(({ id }) => id);
  const hint = newest.length > 0 ? `; the newest are ${newest.join(', ')}` : '; there are none yet';
  throw new GristmillError('USAGE', `${what}: expected the id of a job or its start${hint}`);
}

/** What a header can carry. */
function checkKey(key: string | undefined): string | undefined {
  if (
    key === undefined ||
    (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(key) && key.length <= LIMITS.idempotencyKeyMax)
  )
    return key;
  const message = `Cannot use the idempotency key ${JSON.stringify(key.slice(0, 40))}: expected 1 to ${LIMITS.idempotencyKeyMax} plain characters`;
  throw new GristmillError('USAGE', message);
}
