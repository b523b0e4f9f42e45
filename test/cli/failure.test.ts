// What a person reads when something fails. In: errors of every kind. Out: words and exit codes.
import { expect, test } from 'vitest';
import { ClientError } from '../../cli/client.ts';
import { errorLines, exitOf, printError } from '../../cli/failure.ts';
import { makeOutput, styleOf } from '../../cli/print.ts';
import { GristmillError } from '../../common/errors.ts';

const plain = { style: styleOf(false) };
const printed = (error: unknown, isJson = false): string => {
  const said: string[] = [];
  const stderr = { write: (text: string) => void said.push(text) };
  const stdout = { write: () => expect.unreachable() };
  printError(error, makeOutput({ stdout, stderr, isJson, hasColours: false }), 'job show');
  return said.join('');
};

test('errorLines() of one field says it once', () => {
  const errors = [{ pointer: '/name', detail: 'is missing' }];
  const lines = errorLines(
    { code: 'SPEC_INVALID', message: 'Cannot accept the job: /name is missing', errors },
    plain,
  );
  expect(lines).toEqual(['error SPEC_INVALID  Cannot accept the job: /name is missing']);
});

test('errorLines() of several fields lists them in place of the first', () => {
  const errors = [
    { pointer: '/name', detail: 'is missing' },
    { pointer: '/dataset', detail: 'is empty' },
  ];
  const message = 'Cannot accept the job: /name is missing (and 1 more: see "errors")';
  const remedy = 'Correct the fields that "errors" points to';
  expect(errorLines({ code: 'SPEC_INVALID', message, remedy, errors }, plain)).toEqual([
    'error SPEC_INVALID  Cannot accept the job: 2 things to correct',
    '  /name  is missing',
    '  /dataset  is empty',
    '  → Correct the fields named',
  ]);
});

test('errorLines() leaves out a remedy that is none', () => {
  const error = { code: 'CANCELLED', message: 'Cannot go on', remedy: 'None: it was cancelled' };
  expect(errorLines(error, plain)).toHaveLength(1);
});

test('printError() names the help of the command, and speaks JSON with --json', () => {
  const error = new GristmillError('USAGE', 'Cannot find job "x"');
  expect(printed(error)).toBe(
    'error USAGE  Cannot find job "x"\n  → See gristmill job show --help\n',
  );
  expect(JSON.parse(printed(error, true))).toMatchObject({
    error: { code: 'USAGE', message: 'Cannot find job "x"', errors: [] },
  });
});

test('printError() shows the stack of our own bugs alone, and nothing of an interrupt', () => {
  expect(printed(new TypeError('x is undefined'))).toMatch(
    /error INTERNAL {2}x is undefined\n.*→.*\n.*at /s,
  );
  expect(printed(new DOMException('stopped', 'AbortError'))).toBe('');
});

const answered = (status: number, code = 'X'): ClientError =>
  new ClientError('m', { code, status });

test.each<[unknown, number]>([
  [answered(422, 'SPEC_INVALID'), 2],
  [answered(404), 2],
  [answered(409, 'GATE_REFUSED'), 3],
  [answered(409, 'CONFLICT'), 1],
  [answered(412), 1],
  [answered(503), 1],
  [answered(0, 'SERVER_UNREACHABLE'), 1],
  [new GristmillError('FILE_UNREADABLE', 'm'), 2],
  [new GristmillError('BAD_JSON', 'm'), 2],
  [new GristmillError('CONFIG_INVALID', 'm'), 2],
  [new GristmillError('INTERNAL', 'm'), 1],
  [new Error('m'), 1],
  [new DOMException('stopped', 'AbortError'), 130],
])('exitOf(%s) is %i', (error, code) => expect(exitOf(error)).toBe(code));
