// gristmill predict.
// In: a model's name and rows as JSON. Out: a prediction a row, with the version that made it.
// Why two shapes of a file: an array is what people have, {"instances": […]} is what services send.
import { GristmillError } from '../../common/errors.ts';
import { count } from '../../common/words/figures.ts';
import { ClientError, type Row } from '../client.ts';
import { type Context, EXIT, type Run } from '../context.ts';
import { nameOf, readJson } from '../input.ts';

const LOADING_MS_MAX = 15_000;

export const run: Run<{ alias: string; version?: number }> = async (
  context,
  [model = '', file = ''],
  { alias, version },
) => {
  const { client, out } = context;
  const rows = rowsOf(await readJson(context, file), nameOf(file));
  const by = version === undefined ? { alias } : { version };
  const answer = await onceLoaded(context, () => client.predict(model, rows, by));
  if (out.isJson) out.json(answer);
  else if (!out.isTerminal)
    for (const prediction of answer.predictions) out.line(String(prediction));
  else {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    out.table({
      head: ['PREDICTION', ...columns],
      right: [0],
      rows: rows.map((row, index) => [
        out.style('bold', shown(answer.predictions[index]!)),
        ...columns.map((column) => cell(row[column])),
      ]),
    });
    out.line(
      out.style('dim', `${count(rows.length, 'row')} by ${answer.model} version ${answer.version}`),
    );
  }
  return EXIT.done;
};

/** A version that was published a moment ago is loaded by the gateway just now: worth some seconds. */
async function onceLoaded<T>({ clock, out, signal }: Context, ask: () => Promise<T>): Promise<T> {
  const endMs = clock.monotonicMs() + LOADING_MS_MAX;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await ask();
    } catch (error) {
      const isLoading = error instanceof ClientError && error.code === 'NOT_READY';
      if (!isLoading || clock.monotonicMs() > endMs) throw error;
      if (isFirst) out.note(out.style('dim', `${error.message}; waiting …`));
      await clock.sleep(250, signal);
      signal.throwIfAborted();
    }
  }
}

function rowsOf(value: unknown, name: string): Row[] {
  const rows = isRow(value) ? value.instances : value;
  if (Array.isArray(rows) && rows.length > 0 && rows.every(isRow)) return rows;
  const found = Array.isArray(rows) && rows.length === 0 ? 'it has no rows' : 'it holds no rows';
  const message = `Cannot predict ${name}: ${found}, expected an array of objects: [{"column": value, …}, …]`;
  throw new GristmillError('USAGE', message);
}

const isRow = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Six digits are what a person reads; a file and --json have them all. */
const shown = (prediction: number): string => String(Number(prediction.toPrecision(6)));

const cell = (value: unknown): string =>
  (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)).slice(
    0,
    30,
  );
