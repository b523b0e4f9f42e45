// gristmill init.
// In: a dataset pattern, a label. Out: NAME.job.json that runs as it is, NAME.rows.json, and why so.
// Why files and no submit: who knows the data reads the reasons first, and the job belongs into git.
import { constants } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { GristmillError } from '../../common/errors.ts';
import { checkName } from '../../common/ids.ts';
import type { DatasetView } from '../../common/wire/survey.ts';
import { ClientError } from '../client.ts';
import { type Context, EXIT, type Run } from '../context.ts';
import { chooseJob, explainTextLabel, sampleRows } from '../init/choose.ts';
import { formatJson } from '../init/format.ts';
import { jobNameOf } from '../init/names.ts';
import { storyLines } from '../init/story.ts';

type Options = {
  readonly label: string;
  readonly name?: string;
  readonly out?: string;
  readonly force?: true;
};

export const run: Run<Options> = async (context, [uri = ''], options) => {
  const { client, out, folder } = context;
  const name = checkName('the name of a job', options.name ?? jobNameOf(uri));
  const into = resolve(folder, options.out ?? '.');
  const paths = { job: join(into, `${name}.job.json`), rows: join(into, `${name}.rows.json`) };
  if (!options.force) await checkFree(Object.values(paths), folder);
  const view = await look(context, uri, options.label);
  const { job, reasons } = chooseJob(view, {
    name,
    schemaUrl: client.schemaUrl,
    now: context.clock.now(),
  });
  const rows = { instances: sampleRows(view, job) };
  const flag = options.force ? 'w' : 'wx';
  await writing(into, () => mkdir(into, { recursive: true }));
  await writing(paths.job, () => writeFile(paths.job, formatJson(job, ['features']), { flag }));
  await writing(paths.rows, () => writeFile(paths.rows, formatJson(rows), { flag }));
  const files = [paths.job, paths.rows].map((path) => shown(path, folder));
  if (out.isJson) out.json({ job, rows, reasons, files });
  else tell(context, { lines: storyLines({ view, reasons }, out), files, name });
  return EXIT.done;
};

/** A label that is a text column is the most likely mistake: then the answer names its values. */
async function look({ client }: Context, uri: string, label: string): Promise<DatasetView> {
  try {
    return await client.dataset(uri, label);
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'SQL_TYPE') throw error;
    throw explainTextLabel(await client.dataset(uri), label) ?? error;
  }
}

function tell(
  { out, program }: Context,
  of: {
    readonly lines: readonly string[];
    readonly files: readonly string[];
    readonly name: string;
  },
): void {
  const [job = '', rows = ''] = of.files.map(asWord);
  for (const line of of.lines) out.line(line);
  out.line();
  out.line(`${out.style('green', 'Wrote')} ${of.files.join(' and ')}. Next:`);
  out.line();
  out.line(`  ${program} job submit ${job} --watch`);
  out.line(`  ${program} predict ${of.name} ${rows}`);
}

async function checkFree(paths: readonly string[], folder: string): Promise<void> {
  for (const path of paths) {
    const isThere = await access(path, constants.F_OK).then(
      () => true,
      () => false,
    );
    if (isThere) throw isTaken(shown(path, folder));
  }
}

const isTaken = (path: string): GristmillError =>
  new GristmillError(
    'FILE_EXISTS',
    `Cannot write ${JSON.stringify(path)}: there is such a file, expected none`,
  );

async function writing(path: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const why = REASONS[code] ?? message;
    const text = `Cannot write ${JSON.stringify(path)}: ${why}, expected a folder that you may write to`;
    throw new GristmillError('FILE_UNWRITABLE', text, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EEXIST: 'a file is there',
  ENOTDIR: 'a part of the path is a file',
};

const shown = (path: string, folder: string): string => {
  const near = relative(folder, path);
  return near.startsWith('..') ? path : near;
};

/** For a shell: quoted where it must be. */
const asWord = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
