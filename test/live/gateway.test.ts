import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Graph } from '../../common/onnx/graph.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import { openFileStore } from '../../common/store/file.ts';
import { moveAlias, publish, row, slopeGraph } from '../support/slope.ts';
import { type GatewayProcess, until, World } from './gateway-world.ts';

test('gateway answers raw rows with the version that an alias names, and says what is not there', async () => {
  await using world = await World.open();
  const gateway = await world.start();

  await until('the store was read', async () => {
    const { status, body } = await gateway.get('/readyz');
    expect(status).toBe(503);
    return String(body.detail).includes('no alias in environment dev');
  });
  expect((await gateway.get('/healthz')).status).toBe(200);
  expect((await gateway.predict([row(1)])).status).toBe(404);

  await publish(world.store, { version: 1, slope: 2 });
  await publish(world.store, { version: 2, slope: 3 });
  await moveAlias(world.store, 1);
  await gateway.serves(1);
  expect((await gateway.get('/readyz')).status).toBe(200);

  // right, in order, also for more rows than one run takes
  const many = Array.from({ length: 100 }, (_, index) => index);
  expect(await gateway.predict(many.map(row))).toEqual({
    status: 200,
    body: { predictions: many.map((x) => 2 * x), model: 'slope', version: 1 },
  });
  expect((await gateway.predict([{ ...row(4), extra: 1 }])).body.predictions).toEqual([8]);
  const alias = '/v1/models/slope/aliases/champion:predict';
  expect((await gateway.predict([row(1)], alias)).body.version).toBe(1);
  const explicit = '/v1/models/slope/versions/2:predict';
  expect((await gateway.predict([row(1)], explicit)).body).toMatchObject({
    predictions: [3],
    version: 2,
  });

  // rows that are wrong
  const wrong = await gateway.predict([row(1), { ...row(1), x: 'much' }]);
  expect(wrong).toMatchObject({ status: 422, body: { code: 'ROW_INVALID' } });
  expect(JSON.stringify(wrong.body)).toContain('/instances/1/x');
  const { at: _, ...timeless } = row(1);
  expect((await gateway.predict([timeless])).body).toMatchObject({ code: 'ROW_INVALID' });
  expect(await gateway.predict([row(null)])).toMatchObject({
    status: 500,
    body: { code: 'PREDICTION_NONFINITE' },
  });

  // requests that are wrong
  const path = '/v1/models/slope:predict';
  const tooMany = Array.from({ length: 1001 }, () => row(1));
  expect(await gateway.post(path, '{')).toMatchObject({ status: 400, body: { code: 'BAD_JSON' } });
  for (const instances of [[], [7], 'x', tooMany]) {
    const answer = await gateway.post(path, JSON.stringify({ instances }));
    expect(answer).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
  }
  expect((await gateway.post(path, '{"instances":[{}],"rows":1}')).body.detail).toContain(
    'rows is not a known field',
  );
  const huge = JSON.stringify({ instances: [{ ...row(1), city: 'x'.repeat(1_000_000) }] });
  expect((await gateway.post(path, huge)).status).toBe(413);
  expect((await gateway.post(path, '{}', 'text/plain')).status).toBe(415);

  // names that are not there
  const unknown = async (name: string, expected = 404): Promise<unknown> => {
    const { status, body } = await gateway.predict([row(1)], `/v1/models/${name}:predict`);
    expect(status).toBe(expected);
    return body.detail;
  };
  expect(await unknown('slop')).toContain('did you mean slope');
  expect(await unknown('slope/aliases/candidate')).toContain('champion');
  expect(await unknown('slope/versions/9')).toContain('expected one of 1, 2');
  expect(await unknown('SLOPE', 422)).toMatch(/"SLOPE".*expected/);

  const metrics = await gateway.text('/metrics');
  expect(metrics).toMatch(
    /gristmill_inference_requests_total\{model="slope",version="1",code="200"\} \d+/,
  );
  expect(metrics).toMatch(/gristmill_inference_ignored_fields_total\{model="slope"\} 1/);
  const { body: api } = await gateway.get('/openapi.json');
  expect(api.openapi).toBe('3.1.0');
  expect(Object.keys(api.paths as object)).toContain('/v1/models/{name}:predict');
});

test('gateway swaps under load without a failed request', async () => {
  await using world = await World.open();
  await publish(world.store, { version: 1, slope: 2 });
  await publish(world.store, { version: 2, slope: 3 });
  await moveAlias(world.store, 1);
  const gateway = await world.start();
  await gateway.serves(1);

  const load = startLoad(gateway, { clients: 8 });
  for (const version of [2, 1, 2, 1, 2]) {
    await moveAlias(world.store, version);
    await gateway.serves(version);
  }
  await until('thousands of requests', () => load.answered > 3_000);
  const { answers, failures } = await load.stop();
  expect(failures).toEqual([]);
  expect(answers).toBeGreaterThan(3_000);
});

test('gateway serves on while the store is away, also after a start, and follows when it is back', async () => {
  await using world = await World.open();
  await publish(world.store, { version: 1, slope: 2 });
  await publish(world.store, { version: 2, slope: 3 });
  await moveAlias(world.store, 1);
  const first = await world.start();
  await first.serves(1);

  await rename(world.storeFolder, `${world.storeFolder}-away`);
  await sleep(1_500); // three polls
  expect((await first.predict([row(5)])).body.predictions).toEqual([10]);
  expect((await first.get('/readyz')).status).toBe(200);

  first.process.kill('SIGTERM');
  expect(await first.exited).toBe(0);
  const second = await world.start();
  await second.serves(1);
  expect((await second.get('/v1/models')).body.store).toMatchObject({
    error: expect.stringContaining('store'),
  });

  await rename(`${world.storeFolder}-away`, world.storeFolder);
  await moveAlias(world.store, 2);
  await second.serves(2);

  // another store under the same address: what scratch remembers is not of it
  await second.stop();
  await rename(world.storeFolder, `${world.storeFolder}-former`);
  const store = await openFileStore(world.storeFolder, { create: true });
  const third = await world.start();
  await until('the old model is gone', async () => (await third.get('/readyz')).status === 503);
  await publish(store, { version: 1, slope: 7 });
  await moveAlias(store, 1);
  await third.serves(1);
  expect((await third.predict([row(5)])).body.predictions).toEqual([35]);
});

test('gateway keeps the old version where the new one is no model, lies about its rows, or may run anything', async () => {
  await using world = await World.open();
  const { store } = world;
  await publish(store, { version: 1, slope: 2 });
  await publish(store, { version: 2, slope: 3, bytes: Buffer.from('not a model') });
  const golden = { formatVersion: 1, rows: [{ row: row(1), prediction: 4 }] } as const;
  await publish(store, { version: 3, slope: 3, golden });
  await publish(store, { version: 4, slope: 3, bytes: encodeModel(randomGraph()) });
  await publish(store, { version: 6, slope: 5 });
  await moveAlias(store, 1);
  const gateway = await world.start();
  await gateway.serves(1);

  for (const version of [2, 3, 4, 5]) {
    await moveAlias(store, version);
    await until(`version ${version} is refused`, async () => {
      const { models } = (await gateway.get('/v1/models')).body as { models: ModelViews };
      const { wanted, error } = models[0]!.aliases[0]!;
      return wanted === version && error !== null;
    });
    expect((await gateway.predict([row(5)])).body).toMatchObject({ predictions: [10], version: 1 });
    expect((await gateway.get('/readyz')).status).toBe(200);
    const explicit = await gateway.predict(
      [row(1)],
      `/v1/models/slope/versions/${version}:predict`,
    );
    expect(explicit.status).toBe(version === 5 ? 404 : 422);
  }
  expect(gateway.log).toContain('golden row 0');
  expect(await gateway.text('/metrics')).toMatch(/gristmill_swaps_total\{.*outcome="failed"\} \d/);

  await moveAlias(store, 6);
  await gateway.serves(6);
});
type ModelViews = { aliases: { wanted: number; error: object | null }[] }[];

test('gateway replaces a child that is killed; what it held is answered, and the rest goes on', async () => {
  await using world = await World.open();
  await publish(world.store, { version: 1, slope: 2 });
  await moveAlias(world.store, 1);
  const gateway = await world.start();
  await gateway.serves(1);
  const load = startLoad(gateway, { clients: 4 });
  for (let round = 0; round < 3; round++) {
    const before = load.answered;
    await until('requests flow', () => load.answered > before + 50);
    const [pid] = await gateway.children();
    process.kill(pid!, 'SIGKILL');
    await until('another child', async () => {
      const pids = await gateway.children();
      return pids.length === 2 && !pids.includes(pid!);
    });
    expect((await gateway.get('/healthz')).status).toBe(200);
  }
  const { failures } = await load.stop();
  expect(failures.filter(({ status }) => status !== 503)).toEqual([]);
  expect(failures.length).toBeLessThan(20); // only what the killed children held
  await gateway.serves(1);
  expect(await gateway.text('/metrics')).toContain('gristmill_child_restarts_total 3');
});

test('gateway ends a call to a child that hangs with 504, and starts another', async () => {
  await using world = await World.open();
  await publish(world.store, { version: 1, slope: 2 });
  await moveAlias(world.store, 1);
  const gateway = await world.start({ GRISTMILL_THREADS: '1' });
  await gateway.serves(1);
  const [pid] = await gateway.children();
  process.kill(pid!, 'SIGSTOP');
  const hanging = gateway.predict([row(1)]);
  expect((await gateway.get('/healthz')).status).toBe(200);
  expect(await hanging).toMatchObject({ status: 504, body: { code: 'DEADLINE' } });
  await gateway.serves(1);
});

test('gateway drains on SIGTERM: readiness first, every request answered, exit 0', async () => {
  await using world = await World.open();
  await publish(world.store, { version: 1, slope: 2 });
  await moveAlias(world.store, 1);
  const gateway = await world.start();
  await gateway.serves(1);
  const load = startLoad(gateway, { clients: 4, untilReadiness503: true });
  await until('requests flow', () => load.answered > 20);
  gateway.process.kill('SIGTERM');
  const { failures } = await load.ended;
  expect(failures).toEqual([]);
  expect(await gateway.exited).toBe(0);
});

test('gateway says what is wrong at its start in one error', async () => {
  await using world = await World.open();
  const gateway = await world.start();
  const port = new URL(gateway.address).port;
  const starts: [Record<string, string>, string, string][] = [
    [{ GRISTMILL_PORT: port }, 'PORT_TAKEN', port],
    [{ GRISTMILL_STORE: 'ftp://there' }, 'CONFIG_INVALID', 'GRISTMILL_STORE'],
    [{ GRISTMILL_TREADS: '1' }, 'CONFIG_INVALID', 'GRISTMILL_THREADS'],
    [{ GRISTMILL_THREADS: 'many' }, 'CONFIG_INVALID', 'many'],
    [{ GRISTMILL_SCRATCH: join(world.folder, 'file') }, 'CONFIG_INVALID', 'scratch'],
  ];
  await writeFile(join(world.folder, 'file'), '');
  for (const [env, code, word] of starts) {
    const other = world.spawn(env);
    expect(await other.exited).toBe(code === 'CONFIG_INVALID' ? 2 : 1);
    const lines = other.log.split('\n').filter((line) => line.includes('"level":"error"'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(code);
    expect(lines[0]).toContain(word);
  }
});

/** A model that answers otherwise each time. */
function randomGraph(): Graph {
  const graph = slopeGraph(3);
  const noise = { op: 'RandomNormalLike', inputs: ['narrow'], outputs: ['noise'] };
  return { ...graph, nodes: [...graph.nodes, noise] };
}

type Failed = { readonly status: number; readonly body: unknown };
type LoadEnd = { readonly answers: number; readonly failures: readonly Failed[] };

/** Clients that ask one request after the other. Each checks that the answer is that of its version. */
function startLoad(
  gateway: GatewayProcess,
  options: { clients: number; untilReadiness503?: boolean },
): { readonly answered: number; stop(): Promise<LoadEnd>; readonly ended: Promise<LoadEnd> } {
  const failures: Failed[] = [];
  let answered = 0;
  let isStopped = false;
  const ask = async (seed: number): Promise<void> => {
    for (let x = seed; !isStopped; x++) {
      try {
        const { status, body } = await gateway.predict([row(x), row(x + 1)]);
        const slope = body.version === 1 ? 2 : 3;
        const [one, two] = (body.predictions ?? []) as number[];
        const isRight = one === slope * x && two === slope * (x + 1);
        if (status !== 200 || !isRight) failures.push({ status, body });
        answered += 1;
        if (options.untilReadiness503 && (await gateway.get('/readyz')).status === 503) return;
      } catch (error) {
        failures.push({ status: 0, body: String((error as Error).cause ?? error) });
        return;
      }
    }
  };
  const clients = Array.from({ length: options.clients }, (_, index) => ask(index * 100));
  const ended = Promise.all(clients).then(() => ({ answers: answered, failures }));
  return {
    get answered() {
      return answered;
    },
    ended,
    stop() {
      isStopped = true;
      return ended;
    },
  };
}
