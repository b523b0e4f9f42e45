// How a command that failed says so.
// In: whatever it threw. Out: an exit code, and what to do on standard error.
// Why 2 and 1 differ: 2 is for whoever typed the command, 1 for whoever runs the cluster, or for trying again.
import { CODES, type FieldError, GristmillError } from '../common/errors.ts';
import { ClientError } from './client.ts';
import { EXIT } from './context.ts';
import type { Output } from './print.ts';

/** Answers that the command line or its file must be corrected for. */
const CORRECTABLE: ReadonlySet<number> = new Set([400, 404, 405, 413, 415, 422]);

export function exitOf(error: unknown): number {
  if (isInterrupt(error)) return EXIT.interrupted;
  if (error instanceof ClientError) {
    if (error.code === 'GATE_REFUSED') return EXIT.refused;
    return CORRECTABLE.has(error.status) ? EXIT.usage : EXIT.failed;
  }
  if (!(error instanceof GristmillError)) return EXIT.failed;
  if (error.code === 'CONFIG_INVALID') return EXIT.usage;
  return CORRECTABLE.has(CODES[error.code].status) ? EXIT.usage : EXIT.failed;
}

/** `command`: its path, for the help to read. */
export function printError(error: unknown, out: Output, command: string): void {
  if (isInterrupt(error)) return;
  const { code, message, remedy, errors } = partsOf(error);
  if (out.isJson) {
    out.note(JSON.stringify({ error: { code, message, remedy, errors } }));
    return;
  }
  const help = code === 'USAGE' ? `See gristmill ${command} --help` : remedy;
  for (const line of errorLines({ code, message, remedy: help, errors }, out)) out.note(line);
  if (code === 'INTERNAL' && error instanceof Error) out.note(out.style('dim', error.stack ?? ''));
}

/** Also of a job that failed: the same words wherever an error is met. */
export function errorLines(
  error: {
    readonly code: string;
    readonly message: string;
    readonly remedy?: string | undefined;
    readonly errors?: readonly FieldError[] | undefined;
  },
  { style }: Pick<Output, 'style'>,
): string[] {
  const { code, remedy, errors = [] } = error;
  const isListed = errors.some(({ detail }) => !error.message.includes(detail));
  const message = isListed ? withoutFirst(error.message, errors) : error.message;
  const lines = [`${style(['bold', 'red'], `error ${code}`)}  ${message}`];
  for (const { pointer, detail } of isListed ? errors : []) {
    lines.push(`  ${style('yellow', pointer === '' ? '/' : pointer)}  ${detail}`);
  }
  if (remedy && !/^None: /.test(remedy)) {
    const said = remedy.replace('fields that "errors" points to', 'fields named');
    lines.push(`  ${style('dim', '→')} ${said}`);
  }
  return lines;
}

/** Where every field is listed, the message need not have the first of them. */
function withoutFirst(message: string, errors: readonly FieldError[]): string {
  const [first] = errors;
  const at = message.indexOf(`: ${first?.pointer || 'it'} ${first?.detail}`);
  return at < 0 ? message : `${message.slice(0, at)}: ${errors.length} things to correct`;
}

function partsOf(error: unknown) {
  if (error instanceof ClientError) {
    const { code, message, remedy, errors } = error;
    return { code, message, remedy, errors };
  }
  if (error instanceof GristmillError) {
    const { code, message, errors = [] } = error;
    return { code, message, remedy: CODES[code].remedy as string, errors };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message, remedy: CODES.INTERNAL.remedy as string, errors: [] };
}

const isInterrupt = (error: unknown): boolean =>
  error instanceof Error && error.name === 'AbortError';
