// Models over HTTP: versions, gates, aliases.
// In: requests. Out: what the registry holds; moves of aliases through the gate, back, or past it with a reason.
// Why If-Match: whoever moves an alias says which state they saw, so that two operators cannot undo each other unseen.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → [alias] → predictions
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../../common/errors.ts';
import type { Entry } from '../../common/store/journal.ts';
import { explainSchema } from '../../common/wire/explain.ts';
import type { AliasEntry, Manifest } from '../../common/wire/model.ts';
import {
  type AliasPlace,
  aliasHead,
  aliasHistory,
  hasHeld,
  listAliases,
  overrideAlias,
  requireAlias,
  returnTo,
} from '../registry/alias.ts';
import { checkPolicy, getGate, putGate } from '../registry/gate.ts';
import {
  getVersion,
  latestVersion,
  listModelNames,
  listVersions,
  requireModel,
} from '../registry/version.ts';
import type { ApiDeps } from './deps.ts';
import { invalidRequest, sendProblem } from './problem.ts';
import { bodyOf, describe, nameOf, pathOf, ref } from './routes.ts';
import { AliasHistory, AliasMove, GateView, ModelList, ModelView } from './schemas.ts';

const PATH = { name: 'the model', env: 'the environment', alias: 'the alias' } as const;
const modelPath = pathOf({ name: PATH.name });
const gatePath = pathOf({ name: PATH.name, env: PATH.env });
const aliasPath = pathOf(PATH);
const ALIAS = '/v1/models/:name/environments/:env/aliases/:alias';
const GATE = '/v1/models/:name/environments/:env/gate';

export function addModelRoutes(app: FastifyInstance, deps: ApiDeps): void {
  addVersionRoutes(app, deps);
  addGateRoutes(app, deps);
  addAliasRoutes(app, deps);
}

function addVersionRoutes(app: FastifyInstance, { registry: { store } }: ApiDeps): void {
  app.get(
    '/v1/models',
    { schema: describe({ tag: 'models', summary: 'List models', answers: { 200: ModelList } }) },
    async () => {
      const names = await listModelNames(store);
      const models = names.map(async (name) => ({
        name,
        latest: await requireModel(store, name),
        environments: await listAliases(store, name),
      }));
      return { models: await Promise.all(models) };
    },
  );

  app.get(
    '/v1/models/:name',
    {
      schema: describe({
        tag: 'models',
        summary: 'See a model: its versions and aliases',
        params: modelPath,
        answers: { 200: ModelView },
      }),
    },
    async (request) => {
      const name = nameOf(request, 'name', 'a model name');
      await requireModel(store, name);
      const versions = await listVersions(store, name);
      return {
        name,
        environments: await listAliases(store, name),
        versions: versions.toReversed().map(versionLine),
      };
    },
  );

  app.get(
    '/v1/models/:name/versions/:n',
    {
      schema: describe({
        tag: 'models',
        summary: 'See a version: its manifest',
        params: pathOf({ name: PATH.name, n: 'the version, from 1' }),
        answers: { 200: ref('Manifest') },
      }),
    },
    async (request) => {
      const name = nameOf(request, 'name', 'a model name');
      return getVersion(store, name, versionOf(request));
    },
  );
}

const versionLine = (manifest: Manifest) => ({
  version: manifest.version,
  createdAt: manifest.lineage.createdAt,
  job: manifest.lineage.job,
  label: manifest.label.sql,
  metrics: manifest.metrics.test,
  baseline: manifest.baseline,
  bitExact: manifest.bitExact,
  modelBytes: manifest.onnx.bytes,
});

function addGateRoutes(app: FastifyInstance, { registry: { store, clock } }: ApiDeps): void {
  const placeOf = (request: FastifyRequest) => ({
    model: nameOf(request, 'name', 'a model name'),
    environment: nameOf(request, 'env', 'an environment'),
  });

  app.get(
    GATE,
    {
      schema: describe({
        tag: 'models',
        summary: 'See the gate',
        description: 'What a version must show before an alias in this environment may move to it.',
        params: gatePath,
        answers: { 200: GateView },
      }),
    },
    async (request, reply) => {
      const place = placeOf(request);
      const latest = await latestVersion(store, place.model);
      const gate = await getGate(store, { ...place, label: latest?.signature.label ?? 'binary' });
      if (gate.n === 0) await requireModel(store, place.model);
      reply.header('etag', etag(gate.n));
      return { ...place, policy: gate.policy, isDefault: gate.n === 0 };
    },
  );

  app.put(
    GATE,
    {
      schema: describe({
        tag: 'models',
        summary: 'Set the gate',
        description:
          'May be set before the first version. The last policy holds; earlier ones stay in the record.',
        params: gatePath,
        body: ref('GatePolicy'),
        answers: { 200: GateView },
      }),
    },
    async (request, reply) => {
      const place = placeOf(request);
      const latest = await latestVersion(store, place.model);
      const policy = checkPolicy(bodyOf(request, 'the gate'), latest?.signature.label);
      const gate = await putGate(store, { ...place, policy, at: clock.now() });
      reply.header('etag', etag(gate.n));
      return { ...place, policy, isDefault: false };
    },
  );
}

function addAliasRoutes(app: FastifyInstance, deps: ApiDeps): void {
  const { store } = deps.registry;

  app.get(
    ALIAS,
    {
      schema: describe({
        tag: 'models',
        summary: 'See an alias: what it serves, and the last decision with its evidence',
        params: aliasPath,
        answers: { 200: ref('AliasView') },
      }),
    },
    async (request, reply) => {
      const place = aliasOf(request);
      return sendAlias(reply, place, await requireAlias(store, place));
    },
  );

  app.get(
    `${ALIAS}/history`,
    {
      schema: describe({
        tag: 'models',
        summary: 'See every decision on an alias, refusals too',
        params: aliasPath,
        answers: { 200: AliasHistory },
      }),
    },
    async (request) => {
      const place = aliasOf(request);
      await requireAlias(store, place);
      const entries = await aliasHistory(store, place);
      return { entries: entries.toReversed().map((entry) => aliasView(place, entry)) };
    },
  );

  app.put(
    ALIAS,
    {
      schema: describe({
        tag: 'models',
        summary: 'Move an alias',
        description:
          'A version that held the alias returns at once. Any other goes through the gate, which scores it and the champion on the test set: that takes as long as it takes. "override" moves past the gate and needs a reason.',
        params: aliasPath,
        headers: Type.Object({
          'if-match': Type.Optional(
            Type.String({
              description: 'the ETag of a GET; "0" where the alias does not exist yet',
            }),
          ),
        }),
        body: ref('AliasMove'),
        answers: { 200: ref('AliasView') },
      }),
    },
    async (request, reply) => {
      const place = aliasOf(request);
      const move = checkMove(bodyOf(request, 'the move'));
      const entry = await moveOf(deps, place, move, request.headers['if-match']);
      const isMoved = entry.value.version === move.version;
      return isMoved ? sendAlias(reply, place, entry) : sendRefusal(reply, place, entry);
    },
  );
}

type Move = {
  readonly version: number;
  readonly reason?: string;
  readonly override?: { readonly reason: string };
};

function checkMove(value: unknown): Move {
  const errors = explainSchema(AliasMove, value);
  if (errors.length > 0) throw invalidRequest(errors);
  return value as Move;
}

/** Which of the three ways this move goes. */
async function moveOf(
  { registry, promote }: ApiDeps,
  place: AliasPlace,
  { version, reason, override }: Move,
  ifMatch: string | undefined,
): Promise<Entry<AliasEntry>> {
  const { store } = registry;
  await getVersion(store, place.model, version);
  const head = await aliasHead(store, place);
  const expected = head?.n ?? 0;
  checkMatch(place, expected, ifMatch);
  if (override) return overrideAlias(registry, place, { version, expected, ...override });
  if (head?.value.version === version) return head;
  if (hasHeld(await aliasHistory(store, place), version)) {
    return returnTo(registry, place, { version, expected, ...(reason ? { reason } : {}) });
  }
  return promote({ ...place, version, expected });
}

function checkMatch(place: AliasPlace, expected: number, ifMatch: string | undefined): void {
  const what = `${place.alias} of ${place.model} in ${place.environment}`;
  if (ifMatch === undefined) {
    const message = `Cannot move ${what}: there is no If-Match header, expected the ETag of a GET ("0" for a new alias)`;
    throw new GristmillError('PRECONDITION_REQUIRED', message);
  }
  if (ifMatch.replace(/^W\//, '') !== etag(expected)) {
    const message = `Cannot move ${what}: If-Match is ${ifMatch.slice(0, 40)}, expected its ETag ${etag(expected)}`;
    throw new GristmillError('PRECONDITION_FAILED', message);
  }
}

function sendAlias(reply: FastifyReply, place: AliasPlace, entry: Entry<AliasEntry>): FastifyReply {
  return reply.header('etag', etag(entry.n)).send(aliasView(place, entry));
}

function sendRefusal(
  reply: FastifyReply,
  place: AliasPlace,
  entry: Entry<AliasEntry>,
): FastifyReply {
  const { candidate, evidence, version } = entry.value;
  const failed = evidence?.reasons.filter((reason) => reason.startsWith('failed')).join('; ');
  const stays = version === null ? 'it serves no version' : `it stays at version ${version}`;
  const message = `Cannot move ${place.alias} to version ${candidate}: the gate of ${place.model} in ${place.environment} refused it (${failed ?? 'no reason'}); ${stays}`;
  reply.header('etag', etag(entry.n));
  return sendProblem(reply, new GristmillError('GATE_REFUSED', message), { evidence });
}

const aliasView = (place: AliasPlace, { n, value }: Entry<AliasEntry>) => {
  const { formatVersion: _, ...rest } = value;
  return { ...place, entry: n, ...rest };
};

const aliasOf = (request: FastifyRequest): AliasPlace => ({
  model: nameOf(request, 'name', 'a model name'),
  environment: nameOf(request, 'env', 'an environment'),
  alias: nameOf(request, 'alias', 'an alias'),
});

function versionOf(request: FastifyRequest): number {
  const { n = '' } = request.params as { n?: string };
  if (/^[1-9][0-9]{0,8}$/.test(n)) return Number(n);
  const message = `Cannot find version ${JSON.stringify(n.slice(0, 40))}: expected a number from 1`;
  throw new GristmillError('NOT_FOUND', message);
}

const etag = (n: number): string => `"${n}"`;
