// What the quickstart is asked for. In: command line arguments. Out: options, or CONFIG_INVALID naming the argument.
// Why by hand: four flags; `node:util` parses them, and this file says what they mean.
import { parseArgs } from 'node:util';
import { GristmillError } from '../../common/errors.ts';
import { checkLakeRows, SOURCE_ROWS } from './lake.ts';

export type Options = {
  readonly rows: number;
  readonly keep: boolean;
  readonly store: 'file' | 'minio';
  readonly json: boolean;
  readonly help: boolean;
};

export const HELP = `npm run quickstart -- [options]

Real flights become a served model, then a month more of them becomes the next one.

  --rows N        take N of the 3,000,000 flights (a sample, the same every time)
  --keep          leave the cluster running; "npm start -- --stop" ends it
  --store minio   keep lake and objects in a MinIO server, which is got and started
  --json          words to standard error, one line of JSON last on standard output
  --help          this
`;

export function parseOptions(args: readonly string[]): Options {
  const values = parse(args);
  const store = values.store ?? 'file';
  if (store !== 'file' && store !== 'minio') {
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot use --store ${store}: expected file or minio`,
    );
  }
  return {
    rows: values.rows === undefined ? SOURCE_ROWS : checkLakeRows(Number(values.rows)),
    keep: values.keep ?? false,
    store,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

type Values = { rows?: string; keep?: boolean; store?: string; json?: boolean; help?: boolean };

function parse(args: readonly string[]): Values {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rows: { type: 'string' },
        keep: { type: 'boolean' },
        store: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (cause) {
    const why = (cause as Error).message.split('.')[0];
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot read the arguments: ${why}, expected those of --help`,
      { cause },
    );
  }
}
