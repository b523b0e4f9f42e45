// Models over HTTP: versions, gates, aliases.
// In: requests. Out: what the registry holds; moves of aliases through the gate, back, or past it with a reason.
// Why If-Match: whoever moves an alias says which state they saw, so that two operators cannot undo each other unseen.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → [alias] → predictions
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError, toProblem, unreachable } from '../../common/errors.ts';
import { ifMatchHeader, requireIfMatch, withEtag } from '../../common/http/conditional.ts';
import { limitOf, limitParam, numberParam } from '../../common/http/page.ts';
import { invalidRequest, sendProblem } from '../../common/http/problem.ts';
import { bodyOf, nameOf, paramOf, pathOf, type Route, shared } from '../../common/http/route.ts';
import { LIMITS } from '../../common/limits.ts';
import { mapParallel } from '../../common/parallel.ts';
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
  type Registry,
  requireAlias,
  returnTo,
} from '../registry/alias.ts';
import { checkPolicy, getGate, putGate } from '../registry/gate.ts';
import {
  getVersion,
  latestVersion,
  listModelNames,
  pageVersions,
  requireModel,
} from '../registry/version.ts';
import type { ApiDeps } from './deps.ts';
import { Promotions, type Watched } from './promotions.ts';
import { AliasHistory, AliasMove, GateView, ModelList, ModelView } from './schemas.ts';

const PATH = { name: 'the model', env: 'the environment', alias: 'the alias' } as const;
const modelPath = pathOf({ name: PATH.name });
const gatePath = pathOf({ name: PATH.name, env: PATH.env });
const aliasPath = pathOf(PATH);
const ALIAS = '/v1/models/{name}/environments/{env}/aliases/{alias}';
const PROMOTION = `${ALIAS}/promotions/{id}`;
const GATE = '/v1/models/{name}/environments/{env}/gate';

type Deps = Pick<ApiDeps, 'registry' | 'promote' | 'clock' | 'log'>;

export const modelRoutes = (deps: Deps): readonly Route[] => [
  ...versionRoutes(deps),
  ...gateRoutes(deps),
  ...aliasRoutes(deps, new Promotions(deps)),
];

const versionRoutes = ({ registry: { store } }: Deps): readonly Route[] => {
  const lineOf = async (name: string) => ({
    name,
    latest: await requireModel(store, name),
    environments: await listAliases(store, name),
  });
  return [
    {
      name: 'models',
      method: 'GET',
      path: '/v1/models',
      tag: 'models',
      summary: 'List models',
      query: Type.Object(
        {
          after: Type.Optional(
            Type.String({ maxLength: 63, description: '"next" of the page before' }),
          ),
          limit: limitParam('models'),
        },
        { additionalProperties: false },
      ),
      answers: { 200: ModelList },
      handle: async (request) => {
        const { after = '' } = request.query as { after?: string };
        const limit = limitOf(request, 'models');
        const names = await listModelNames(store, { after, limit: limit + 1 });
        const models = await mapParallel(names.slice(0, limit), LIMITS.registryReadsMax, lineOf);
        return { models, next: names.length > limit ? names[limit - 1] : null };
      },
    },

    {
      name: 'model',
      method: 'GET',
      path: '/v1/models/{name}',
      tag: 'models',
      summary: 'See a model: its versions and aliases',
      params: modelPath,
      query: Type.Object(
        {
          before: numberParam('only versions below this one: "next" of the page before'),
          limit: limitParam('versions'),
        },
        { additionalProperties: false },
      ),
      answers: { 200: ModelView },
      handle: async (request) => {
        const name = nameOf(request, 'name', 'a model name');
        const { before } = request.query as { before?: string };
        await requireModel(store, name);
        const { versions, next } = await pageVersions(store, name, {
          before: before === undefined ? undefined : Number(before),
          limit: limitOf(request, 'versions'),
        });
        return {
          name,
          environments: await listAliases(store, name),
          versions: versions.map(versionLine),
          next: next ?? null,
        };
      },
    },

    {
      name: 'version',
      method: 'GET',
      path: '/v1/models/{name}/versions/{n}',
      tag: 'models',
      summary: 'See a version: its manifest',
      params: pathOf({ name: PATH.name, n: 'the version, from 1' }),
      answers: { 200: shared('Manifest') },
      handle: async (request) => {
        const name = nameOf(request, 'name', 'a model name');
        return getVersion(store, name, versionOf(request));
      },
    },
  ];
};

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

const gateRoutes = ({ registry: { store, clock } }: Deps): readonly Route[] => [
  {
    name: 'gate',
    method: 'GET',
    path: GATE,
    tag: 'models',
    summary: 'See the gate',
    description: 'What a version must show before an alias in this environment may move to it.',
    params: gatePath,
    answers: { 200: GateView },
    handle: async (request, reply) => {
      const place = gateOf(request);
      const gate = await getGate(store, place);
      withEtag(reply, gate.n);
      return { ...place, policy: gate.policy, isDefault: gate.n === 0 };
    },
  },

  {
    name: 'setGate',
    method: 'PUT',
    path: GATE,
    tag: 'models',
    summary: 'Set the gate',
    description:
      'May be set before the first version. The last policy holds; earlier ones stay in the record.',
    params: gatePath,
    body: shared('GatePolicy'),
    answers: { 200: GateView },
    handle: async (request, reply) => {
      const place = gateOf(request);
      const latest = await latestVersion(store, place.model);
      const policy = checkPolicy(bodyOf(request, 'the gate'), latest?.signature.label);
      const gate = await putGate(store, { ...place, policy, at: clock.now() });
      withEtag(reply, gate.n);
      return { ...place, policy, isDefault: false };
    },
  },
];

const aliasRoutes = ({ registry }: Deps, promotions: Promotions): readonly Route[] => [
  {
    name: 'alias',
    method: 'GET',
    path: ALIAS,
    tag: 'models',
    summary: 'See an alias: what it serves, and the last decision with its evidence',
    params: aliasPath,
    answers: { 200: shared('AliasView') },
    handle: async (request, reply) => {
      const place = aliasOf(request);
      return sendAlias(reply, place, await requireAlias(registry.store, place));
    },
  },

  {
    name: 'aliasHistory',
    method: 'GET',
    path: `${ALIAS}/history`,
    tag: 'models',
    summary: 'See every decision on an alias, refusals too',
    params: aliasPath,
    answers: { 200: AliasHistory },
    handle: async (request) => {
      const place = aliasOf(request);
      await requireAlias(registry.store, place);
      const entries = await aliasHistory(registry.store, place);
      return { entries: entries.toReversed().map((entry) => aliasView(place, entry)) };
    },
  },

  {
    name: 'moveAlias',
    method: 'PUT',
    path: ALIAS,
    tag: 'models',
    summary: 'Move an alias',
    description:
      'A version that held the alias returns at once. Any other goes through the gate, which scores it and the champion on the test set: where that takes longer than two seconds, the answer is 202, and Location says where to look. "override" moves past the gate and needs a reason.',
    params: aliasPath,
    headers: ifMatchHeader('the ETag of a GET; "0" where the alias does not exist yet'),
    body: shared('AliasMove'),
    answers: { 200: shared('AliasView'), 202: shared('PromotionView') },
    handle: async (request, reply) => {
      const place = aliasOf(request);
      const move = checkMove(bodyOf(request, 'the move'));
      const expected = await entrySeen(registry, place, move, request);
      const entry = await entryWithoutGate(registry, place, { ...move, expected });
      if (entry) return sendAlias(reply, place, entry);
      const promotion = { ...place, version: move.version, expected };
      return sendPromotion(request, reply, await promotions.begin(promotion));
    },
  },

  {
    name: 'promotion',
    method: 'GET',
    path: PROMOTION,
    tag: 'models',
    summary: 'See how far a promotion is, and what was decided',
    description:
      'As the Location of PUT says. It is forgotten with the coordinator that began it; decisions stay in the record of the alias.',
    params: pathOf({ ...PATH, id: 'the promotion, as its Location says' }),
    answers: { 200: shared('PromotionView') },
    handle: (request) => promotionView(promotions.find(aliasOf(request), paramOf(request, 'id'))),
  },
];

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

/** The entry that the client has seen, which is the last one; throws where it is not. */
async function entrySeen(
  { store }: Registry,
  place: AliasPlace,
  { version }: Move,
  request: FastifyRequest,
): Promise<number> {
  await getVersion(store, place.model, version);
  const now = (await aliasHead(store, place))?.n ?? 0;
  requireIfMatch(request, `move ${place.alias} of ${place.model} in ${place.environment}`, now);
  return now;
}

/** Past the gate, nowhere, or back; undefined: through the gate. */
async function entryWithoutGate(
  registry: Registry,
  place: AliasPlace,
  { version, reason, override, expected }: Move & { readonly expected: number },
): Promise<Entry<AliasEntry> | undefined> {
  if (override) return overrideAlias(registry, place, { version, expected, ...override });
  const history = await aliasHistory(registry.store, place);
  const head = history.at(-1);
  if (head?.n === expected && head.value.version === version) return head;
  if (!hasHeld(history, version)) return undefined;
  return returnTo(registry, place, { version, expected, ...(reason ? { reason } : {}) });
}

function sendAlias(reply: FastifyReply, place: AliasPlace, entry: Entry<AliasEntry>): FastifyReply {
  return withEtag(reply, entry.n).send(aliasView(place, entry));
}

/** As it is decided, or where to look. */
function sendPromotion(
  request: FastifyRequest,
  reply: FastifyReply,
  watched: Watched,
): FastifyReply {
  const { of, id, outcome } = watched;
  switch (outcome.state) {
    case 'moved':
      return sendAlias(reply, of, outcome.entry);
    case 'refused': {
      const { evidence } = outcome.entry.value;
      return sendProblem(withEtag(reply, outcome.entry.n), refusalOf(of, outcome.entry), {
        evidence,
      });
    }
    case 'failed':
      throw outcome.error;
    case 'deciding': {
      const location = `${request.url.split('?')[0]}/promotions/${id}`;
      return reply.code(202).header('location', location).send(promotionView(watched));
    }
    default:
      return unreachable(outcome);
  }
}

const promotionView = ({ id, of, startedAt, outcome }: Watched) => {
  const { version, expected, ...place } = of;
  return {
    ...{ id, ...placeOf(place), version, seen: expected, startedAt, state: outcome.state },
    entry: 'entry' in outcome ? aliasView(place, outcome.entry) : null,
    problem: problemOf({ id, of, outcome }),
  };
};

function problemOf({ id, of, outcome }: Pick<Watched, 'id' | 'of' | 'outcome'>) {
  switch (outcome.state) {
    case 'moved':
    case 'deciding':
      return null;
    case 'refused': {
      const { evidence } = outcome.entry.value;
      return { ...toProblem(refusalOf(of, outcome.entry)), evidence };
    }
    case 'failed':
      return toProblem(isKnown(outcome.error) ? outcome.error : hidden(id));
    default:
      return unreachable(outcome);
  }
}

const isKnown = (error: unknown): boolean =>
  error instanceof GristmillError && error.code !== 'INTERNAL';

const hidden = (id: string): GristmillError =>
  new GristmillError('INTERNAL', `Cannot decide: an internal error, logged as ${id}`);

function refusalOf(place: AliasPlace, entry: Entry<AliasEntry>): GristmillError {
  const { candidate, evidence, version } = entry.value;
  const failed = evidence?.checks.flatMap(({ passed, words }) => (passed ? [] : words)).join('; ');
  const stays = version === null ? 'it serves no version' : `it stays at version ${version}`;
  const message = `Cannot move ${place.alias} to version ${candidate}: the gate of ${place.model} in ${place.environment} refused it (${failed ?? 'no reason'}); ${stays}`;
  return new GristmillError('GATE_REFUSED', message);
}

const placeOf = ({ model, environment, alias }: AliasPlace): AliasPlace => ({
  model,
  environment,
  alias,
});

const aliasView = (place: AliasPlace, { n, value }: Entry<AliasEntry>) => {
  const { formatVersion: _, ...rest } = value;
  return { ...placeOf(place), entry: n, ...rest };
};

const gateOf = (request: FastifyRequest) => ({
  model: nameOf(request, 'name', 'a model name'),
  environment: nameOf(request, 'env', 'an environment'),
});

const aliasOf = (request: FastifyRequest): AliasPlace => ({
  model: nameOf(request, 'name', 'a model name'),
  environment: nameOf(request, 'env', 'an environment'),
  alias: nameOf(request, 'alias', 'an alias'),
});

function versionOf(request: FastifyRequest): number {
  const n = paramOf(request, 'n');
  if (/^[1-9][0-9]{0,8}$/.test(n)) return Number(n);
  const message = `Cannot find version ${JSON.stringify(n.slice(0, 40))}: expected a number from 1`;
  throw new GristmillError('NOT_FOUND', message);
}
