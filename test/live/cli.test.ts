// The command line against a real line: the example of every command as a shell runs it, and every exit code.
// In: a folder as the README leaves it, roles started by the command line itself. Out: exit codes, words, files.
// Why in the order of a day: a gate, a rollback and a trigger need what came before them.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { completionFor } from '../../cli/completion.ts';
import { type Line, startLine, tripsJob, untilAnswers } from '../support/line.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/runner.ts';

const MAIN = join(import.meta.dirname, '../../cli/main.ts');
const folder = tempFolder();
const ran = new Set<string>();
const roles = new Map<string, ChildProcess>();
let line: Line;
let env: Record<string, string>;
let roleEnv: Record<string, string>;
let gatewayUrl: string;

beforeAll(async () => {
  const storeUri = pathToFileURL(join(folder, 'store')).href;
  const lakeUri = pathToFileURL(join(folder, 'lake')).href;
  line = await startLine({ workers: 0, months: 3, storeUri, lakeUri });
  gatewayUrl = `http://127.0.0.1:${await freePort()}`;
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
  const system = { PATH, NODE_COMPILE_CACHE, HOME: folder };
  env = { ...system, GRISTMILL_COORDINATOR: line.coordinatorUrl, GRISTMILL_GATEWAY: gatewayUrl };
  roleEnv = {
    ...system,
    GRISTMILL_NATS: line.nats.url,
    GRISTMILL_STORE: storeUri,
    GRISTMILL_LAKE: lakeUri,
    GRISTMILL_SCRATCH: join(folder, 'scratch'),
  };
  mkdirSync(join(folder, 'work'));
  write('trips.gate.json', { min: { auc: 0.9 } });
});
afterAll(async () => {
  for (const role of roles.values()) role.kill('SIGKILL');
  await line?.[Symbol.asyncDispose]();
});

/** The job that init wrote, trained otherwise. */
function changed(seed: number, epochs: number): object {
  const job = JSON.parse(readFileSync(join(folder, 'work/trips.job.json'), 'utf8')) as {
    train: object;
  };
  return { ...job, seed, train: { ...job.train, epochs } };
}

const change = (name: string, seed: number, epochs: number): void =>
  write(name, changed(seed, epochs));

const write = (name: string, value: unknown): void =>
  writeFileSync(join(folder, 'work', name), JSON.stringify(value));

type Ran = { readonly code: number; readonly out: string; readonly error: string };

/** A command line as a shell reads it. */
function shell(words: string, more: Record<string, string> = {}): Promise<Ran> {
  const script = `gristmill() { "$NODE" "$MAIN" "$@"; }\n${words}`;
  const shellEnv = { ...env, ...more, NODE: process.execPath, MAIN };
  return new Promise((resolve) => {
    const options = { cwd: join(folder, 'work'), env: shellEnv, timeout: 200_000 };
    execFile('bash', ['-c', script], options, (failed, out, error) =>
      resolve({ code: failed ? Number(failed.code) : 0, out, error }),
    );
  });
}

/** The example of a command, with the id of a job that there is. */
async function example(
  path: string,
  { job = '', ...more }: Record<string, string> = {},
): Promise<Ran> {
  const command = COMMANDS.find((one) => one.path.join(' ') === path)!;
  ran.add(path);
  return shell(command.example.replace('j-7f3a', job.slice(0, 8)), more);
}

async function startRole(role: string, port: number): Promise<void> {
  const command = COMMANDS.find(({ path }) => path[0] === role)!;
  ran.add(role);
  const [, ...words] = command.example.split(' ');
  const started = spawn(process.execPath, [MAIN, ...words], {
    env: { ...roleEnv, GRISTMILL_PORT: String(port), GRISTMILL_THREADS: '1' },
    stdio: 'ignore',
  });
  roles.set(role, started);
  await untilAnswers(`http://127.0.0.1:${port}/healthz`);
}

test('worker, gateway and coordinator run in place; health asks one', async () => {
  const port = await freePort();
  await startRole('worker', port);
  expect(await example('health', { GRISTMILL_PORT: String(port) })).toMatchObject({ code: 0 });
  const nobody = String(await freePort());
  expect(await shell('gristmill health', { GRISTMILL_PORT: nobody })).toMatchObject({ code: 1 });
  await startRole('gateway', Number(new URL(gatewayUrl).port));
  await startRole('coordinator', await freePort());
  const second = roles.get('coordinator')!;
  second.kill('SIGTERM');
  await new Promise((resolve) => second.once('exit', resolve));
  expect(second.exitCode).toBe(0);
});

test('workers lists the one that is alive', async () => {
  const { code, out } = await example('workers');
  expect(code).toBe(0);
  expect(out).toMatch(/^w-[0-9a-f]+ .* idle /m);
});

test('init writes a job, submit --watch runs it to the gate, predict answers from it', async () => {
  expect(await example('init')).toMatchObject({ code: 0 });
  const submitted = await example('job submit');
  expect(submitted, submitted.out + submitted.error).toMatchObject({ code: 0 });
  expect(submitted.out).toMatch(/^gate +dev\/champion {2}ACCEPTED/m);
  expect(submitted.out).not.toContain('\x1b');
  const rows = JSON.parse(readFileSync(join(folder, 'work/trips.rows.json'), 'utf8')) as {
    instances: unknown[];
  };
  let predicted = await example('predict');
  for (let tries = 0; predicted.code !== 0 && tries < 20; tries++) {
    await delay(200); // the gateway looks at the store twice a second
    predicted = await example('predict');
  }
  expect(predicted.out.trim().split('\n')).toHaveLength(rows.instances.length);
  const json = await shell('gristmill predict trips trips.rows.json --version 1 --json');
  expect(JSON.parse(json.out)).toMatchObject({ model: 'trips', version: 1 });
});

test('job list, show, logs, watch and cancel tell of it; cancel and repin are too late', async () => {
  const { jobs } = JSON.parse((await shell('gristmill job list --json')).out) as {
    jobs: { id: string }[];
  };
  const job = jobs[0]!.id;
  expect((await example('job list')).out).toContain(job);
  const show = await example('job show', { job });
  expect(show.out).toContain('succeeded, accepted');
  expect((await example('job logs', { job })).out).toMatch(/Z {2}job +succeeded$/m);
  expect((await example('job watch', { job })).code).toBe(0);
  const cancel = await example('job cancel', { job });
  expect(cancel).toMatchObject({ code: 1, out: '' });
  expect(cancel.error).toContain('error CONFLICT');
  const repin = await example('job repin', { job });
  expect(repin).toMatchObject({ code: 1, out: '' });
  expect(repin.error).toContain('it has succeeded, expected one that waits for numerics');
  const lines = (await shell(`gristmill job watch ${job} --json`)).out.trim().split('\n');
  expect(lines.map((text) => (JSON.parse(text) as { kind: string }).kind)).toContain('fact');
});

test('a gate that is set from a file lets better ones through and refuses with exit code 3', async () => {
  expect((await example('model gate')).out).toContain('AUC at least 0.9');
  change('second.json', 2, 4);
  const second = await shell('gristmill job submit - --watch < second.json');
  expect(second, second.out + second.error).toMatchObject({ code: 0 });
  await shell(`echo '{"min": {"auc": 0.9999}}' | gristmill model gate trips -`);
  change('third.json', 9, 1);
  const third = await shell('gristmill job submit third.json --watch');
  expect(third.code).toBe(3);
  expect(third.out).toMatch(/^gate +dev\/champion {2}REFUSED .*needed at least 0.9999/m);
});

test('model list and show tell what is served; rollback moves it back, once', async () => {
  expect((await example('model list')).out).toContain('dev/champion → version 2');
  expect((await example('model show')).out).toMatch(/^ +2 +dev\/champion /m);
  const back = await example('model rollback');
  expect(back, back.error).toMatchObject({ code: 0 });
  expect(back.out).toContain('version 2 → version 1');
  const wrong = await shell('gristmill model rollback trips --to 3');
  expect(wrong.code).toBe(2);
  expect(wrong.error).toContain('it never served that, expected 2');
});

test('triggers are applied, listed, paused, resumed, fired, shown and removed', async () => {
  const nightly = { name: 'nightly', on: { cron: '15 3 * * *' } };
  write('nightly.trigger.json', { ...nightly, job: tripsJob });
  const other = await example('trigger apply');
  expect(other).toMatchObject({ code: 2, out: '' });
  expect(other.error).toMatch(/error TESTSET_INCOMPARABLE .*its clean/);
  write('nightly.trigger.json', { ...nightly, job: changed(7, 900) });
  expect((await example('trigger apply')).out).toContain('15 3 * * * (UTC)');
  expect((await example('trigger list')).out).toContain('nightly');
  expect(await example('trigger pause')).toMatchObject({ code: 0, error: '' });
  expect((await example('trigger list')).out).toMatch(/^nightly .* paused$/m);
  const resumed = await example('trigger resume');
  expect(resumed).toMatchObject({ code: 0, error: '' });
  expect(resumed.out).toMatch(/^nightly {2}15 3 \* \* \* \(UTC\); next /);
  const fired = await example('trigger fire');
  expect(fired.out).toContain('Fired nightly: j-');
  expect((await example('trigger show')).out).toContain('fired');
  const job = /j-[0-9a-f]{20}/.exec(fired.out)![0];
  expect((await shell(`gristmill job cancel ${job}`)).code).toBe(0);
  expect((await shell(`gristmill job watch ${job}`)).code).toBe(1);
  expect((await example('trigger remove')).code).toBe(0);
  expect((await shell('gristmill trigger show nightly')).code).toBe(2);
});

test('what was typed wrong is exit code 2, with words that help', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['gristmill job submit nowhere.json', /Cannot read "nowhere.json": there is no such file/],
    [`echo '{"a": 1,}' | gristmill job submit -`, /Cannot read standard input at line 1, column 9/],
    [`echo '{"specVersion": 1}' | gristmill job submit -`, /\/name {2}is missing/],
    [`sed 's/"late"/"lat"/' trips.job.json | gristmill job submit -`, /its label differs from/],
    [
      `sed 's/"late"/"lat"/; s/"model": "trips"/"model": "lat"/' trips.job.json | gristmill job submit -`,
      /did you mean/,
    ],
    ['gristmill job show j-none', /expected the id of a job or its start; the newest are j-/],
    ['gristmill model show trip', /error NOT_FOUND .*trip/],
    ['gristmill completion bush', /did you mean bash\?/],
    ['gristmill workers --coordinator localhost', /expected http:\/\/host:port/],
    ['GRISTMILL_COORDINATR=x gristmill workers', /GRISTMILL_COORDINATOR/],
  ];
  for (const [words, expected] of cases) {
    const { code, out, error } = await shell(words);
    expect(error, words).toMatch(expected);
    expect({ code, out }, words).toEqual({ code: 2, out: '' });
  }
});

test('no server is exit code 1, also with --json, where the error is JSON', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const { code, error } = await shell(`gristmill job list --json --coordinator ${nobody}`);
  expect(code).toBe(1);
  expect(JSON.parse(error)).toMatchObject({ error: { code: 'SERVER_UNREACHABLE' } });
});

test('Ctrl-C while watching leaves the job running and says how to end it', async () => {
  change('long.json', 5, 900);
  const child = spawn(process.execPath, [MAIN, 'job', 'submit', 'long.json', '--watch'], {
    cwd: join(folder, 'work'),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let isKilled = false;
  child.stdout.on('data', (text: Buffer) => {
    said += text;
    if (!isKilled && /^fit/m.test(said)) isKilled = child.kill('SIGINT');
  });
  child.stderr.on('data', (text: Buffer) => (said += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(130);
  const [, job] = /to end it: gristmill job cancel (j-\S+)/.exec(said)!;
  const view = await shell(`gristmill job show ${job} --json`);
  expect(JSON.parse(view.out)).toMatchObject({ state: 'running' });
  const repin = await shell(`gristmill job repin ${job}`);
  expect(repin).toMatchObject({ code: 1, out: '' });
  expect(repin.error).toMatch(/error CONFLICT .*it (does not stand still|waits: )/);
  expect((await shell(`gristmill job cancel ${job}`)).code).toBe(0);
});

test('in a terminal the frame is painted in colours and the cursor comes back', async () => {
  const words = 'gristmill job submit third.json --watch --idempotency-key tty';
  const script = `script -qec 'stty cols 70 rows 30; "$NODE" "$MAIN" ${words.slice(10)}' /dev/null`;
  const { code, out } = await shell(script, { TERM: 'xterm' });
  expect(code).toBe(3); // the gate is still the strict one
  expect(out).toContain('\x1b[?25l');
  expect(out.lastIndexOf('\x1b[?25h')).toBeGreaterThan(out.lastIndexOf('\x1b[?25l'));
  expect(out).toContain('\x1b[31m');
});

test('completion prints the script', async () => {
  expect((await example('completion')).out).toBe(completionFor('bash'));
});

/** Started and ended as a whole by test/live/package.test.ts: they bring a queue and workers of their own. */
const ELSEWHERE = ['up', 'down'];

test('every example ran', () => {
  const missing = COMMANDS.map(({ path }) => path.join(' ')).filter(
    (path) => !ran.has(path) && !ELSEWHERE.includes(path),
  );
  expect(missing).toEqual([]);
});
