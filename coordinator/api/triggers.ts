// Triggers over HTTP: put, list, see, remove, fire.
// In: requests. Out: what triggers hold, their last and next slots; 202 once a firing is durable.
// Why PUT of the whole: a trigger lies as a file in git, and applying it twice is applying it once.
// Flow: [trigger] → job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { ifMatchHeader, readIfMatch, withEtag } from '../../common/http/conditional.ts';
import type { Sample } from '../../common/http/metrics.ts';
import {
  bytesOf,
  idempotencyKey,
  keyHeaders,
  nameOf,
  nothing,
  pathOf,
  type Route,
  shared,
} from '../../common/http/route.ts';
import type { TriggerView } from '../../common/wire/trigger.ts';
import { triggerSchemaJson } from '../trigger/spec.ts';
import type { ApiDeps } from './deps.ts';
import { TriggerListSchema } from './schemas.ts';

const triggerPath = pathOf({ name: 'the trigger' });
const TRIGGER = '/v1/triggers/{name}';

type Deps = Pick<ApiDeps, 'triggers'>;

export const triggerRoutes = (deps: Deps): readonly Route[] => [
  ...readRoutes(deps),
  ...changeRoutes(deps),
];

const readRoutes = ({ triggers }: Deps): readonly Route[] => [
  {
    name: 'triggers',
    method: 'GET',
    path: '/v1/triggers',
    tag: 'triggers',
    summary: 'List triggers, each with its last slot and its next ones',
    answers: { 200: TriggerListSchema },
    handle: () => triggers.list(),
  },

  {
    name: 'trigger',
    method: 'GET',
    path: TRIGGER,
    tag: 'triggers',
    summary: 'See a trigger: its last slots with their jobs, and its next ones',
    params: triggerPath,
    answers: { 200: shared('TriggerView') },
    handle: async (request, reply) => sendView(reply, await triggers.view(triggerOf(request))),
  },

  {
    name: 'triggerSchema',
    method: 'GET',
    path: '/schemas/trigger.v1.json',
    tag: 'triggers',
    summary: 'The JSON schema of a trigger, for editors and checks',
    answers: { 200: Type.Object({}) },
    handle: async (_request, reply) =>
      reply.type('application/schema+json').send(triggerSchemaJson()),
  },
];

const changeRoutes = ({ triggers }: Deps): readonly Route[] => [
  {
    name: 'putTrigger',
    method: 'PUT',
    path: TRIGGER,
    tag: 'triggers',
    summary: 'Put a trigger',
    description:
      'Declarative: the same body again changes nothing. The job is checked as a submit would check it. Only slots after this moment count. 201 where there was no such trigger.',
    params: triggerPath,
    headers: ifMatchHeader('the ETag of a GET; "0": only where there is no such trigger'),
    body: shared('Trigger'),
    answers: { 200: shared('TriggerView'), 201: shared('TriggerView') },
    handle: async (request, reply) => {
      const expected = readIfMatch(request, 'put the trigger');
      const put = await triggers.put(triggerOf(request), bytesOf(request), { expected });
      return sendView(reply.code(put.created ? 201 : 200), put.view);
    },
  },

  {
    name: 'removeTrigger',
    method: 'DELETE',
    path: TRIGGER,
    tag: 'triggers',
    summary: 'Remove a trigger',
    description: 'Jobs that it has fired go on, and the record of its slots stays.',
    params: triggerPath,
    headers: ifMatchHeader('the ETag of a GET'),
    answers: { 204: nothing('removed') },
    handle: async (request, reply) => {
      await triggers.remove(triggerOf(request), {
        expected: readIfMatch(request, 'remove the trigger'),
      });
      return reply.code(204).send();
    },
  },

  {
    name: 'fireTrigger',
    method: 'POST',
    path: `${TRIGGER}/fire`,
    tag: 'triggers',
    summary: 'Fire a trigger now',
    description:
      'For a scheduler of your own: takes no body. A paused trigger fires, too; "overlap" holds as for its other slots, so the answer may be a skipped slot. The same Idempotency-Key gives the first answer\'s slot again.',
    params: triggerPath,
    headers: keyHeaders,
    answers: { 202: shared('FiringView') },
    handle: async (request, reply) => {
      const { firing, replayed } = await triggers.fire(triggerOf(request), idempotencyKey(request));
      if (replayed) reply.header('idempotency-replayed', 'true');
      if (firing.kind === 'fired') reply.header('location', `/v1/jobs/${firing.job}`);
      return reply.code(202).send(firing);
    },
  },
];

/** Lines for /metrics: what this process recorded since it started. */
export const triggerSamples = (counts: ReadonlyMap<string, number>): Sample[] =>
  [...counts].map(([kind, value]) => ({
    name: 'gristmill_trigger_firings_total',
    help: 'Slots of triggers that this process recorded',
    type: 'counter',
    labels: { kind },
    value,
  }));

const triggerOf = (request: FastifyRequest): string => nameOf(request, 'name', 'a trigger name');

const sendView = (reply: FastifyReply, view: TriggerView): FastifyReply =>
  withEtag(reply, view.entry).send(view);
