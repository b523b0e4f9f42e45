// Triggers over HTTP: put, list, see, remove, fire.
// In: requests. Out: what triggers hold, their last and next slots; 202 once a firing is durable.
// Why PUT of the whole: a trigger lies as a file in git, and applying it twice is applying it once.
// Flow: [trigger] → job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../../common/errors.ts';
import { type TriggerView, triggerSchemaJson } from '../../common/wire/trigger.ts';
import type { ApiDeps, Sample } from './deps.ts';
import { bytesOf, describe, idempotencyKey, keyHeaders, nameOf, pathOf, ref } from './routes.ts';
import { TriggerListSchema } from './schemas.ts';

const triggerPath = pathOf({ name: 'the trigger' });
const TRIGGER = '/v1/triggers/:name';
const ifMatch = (description: string) =>
  Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 40, description })) });

export function addTriggerRoutes(app: FastifyInstance, deps: ApiDeps): void {
  addReadRoutes(app, deps);
  addChangeRoutes(app, deps);
}

function addReadRoutes(app: FastifyInstance, { triggers }: ApiDeps): void {
  app.get(
    '/v1/triggers',
    {
      schema: describe({
        tag: 'triggers',
        summary: 'List triggers, each with its last slot and its next ones',
        answers: { 200: TriggerListSchema },
      }),
    },
    async () => ({ triggers: await triggers.list() }),
  );

  app.get(
    TRIGGER,
    {
      schema: describe({
        tag: 'triggers',
        summary: 'See a trigger: its last slots with their jobs, and its next ones',
        params: triggerPath,
        answers: { 200: ref('TriggerView') },
      }),
    },
    async (request, reply) => sendView(reply, await triggers.view(triggerOf(request))),
  );

  app.get(
    '/schemas/trigger.v1.json',
    {
      schema: describe({
        tag: 'triggers',
        summary: 'The JSON schema of a trigger, for editors and checks',
        answers: { 200: Type.Object({}) },
      }),
    },
    async (_request, reply) => reply.type('application/schema+json').send(triggerSchemaJson()),
  );
}

function addChangeRoutes(app: FastifyInstance, { triggers }: ApiDeps): void {
  app.put(
    TRIGGER,
    {
      schema: describe({
        tag: 'triggers',
        summary: 'Put a trigger',
        description:
          'Declarative: the same body again changes nothing. The job is checked as a submit would check it. Only slots after this moment count. 201 where there was no such trigger.',
        params: triggerPath,
        headers: ifMatch('the ETag of a GET; "0": only where there is no such trigger'),
        body: ref('Trigger'),
        answers: { 200: ref('TriggerView'), 201: ref('TriggerView') },
      }),
    },
    async (request, reply) => {
      const expected = expectedOf(request, 'put');
      const put = await triggers.put(triggerOf(request), bytesOf(request), { expected });
      return sendView(reply.code(put.created ? 201 : 200), put.view);
    },
  );

  app.delete(
    TRIGGER,
    {
      schema: describe({
        tag: 'triggers',
        summary: 'Remove a trigger',
        description: 'Jobs that it has fired go on, and the record of its slots stays.',
        params: triggerPath,
        headers: ifMatch('the ETag of a GET'),
        answers: { 204: Type.Null({ description: 'removed' }) },
      }),
    },
    async (request, reply) => {
      await triggers.remove(triggerOf(request), { expected: expectedOf(request, 'remove') });
      return reply.code(204).send();
    },
  );

  app.post(
    `${TRIGGER}/fire`,
    {
      schema: describe({
        tag: 'triggers',
        summary: 'Fire a trigger now',
        description:
          'For a scheduler of your own: takes no body. A paused trigger fires, too; "overlap" holds as for its other slots, so the answer may be a skipped slot. The same Idempotency-Key gives the first answer\'s slot again.',
        params: triggerPath,
        headers: keyHeaders,
        answers: { 202: ref('FiringView') },
      }),
    },
    async (request, reply) => {
      const { firing, replayed } = await triggers.fire(triggerOf(request), idempotencyKey(request));
      if (replayed) reply.header('idempotency-replayed', 'true');
      if (firing.kind === 'fired') reply.header('location', `/v1/jobs/${firing.job}`);
      return reply.code(202).send(firing);
    },
  );
}

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
  reply.header('etag', `"${view.entry}"`).send(view);

/** The entry that If-Match names: quoted as ETags are, or bare. */
function expectedOf(request: FastifyRequest, act: string): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined) return undefined;
  const number = /^(?:W\/)?"?([0-9]{1,12})"?$/.exec(header)?.[1];
  if (number !== undefined) return Number(number);
  throw new GristmillError(
    'PRECONDITION_FAILED',
    `Cannot ${act} the trigger: If-Match is ${header.slice(0, 40)}, expected the ETag of a GET such as "3"`,
  );
}
