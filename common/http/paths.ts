// Which paths there are, in words: for whoever asks for another one, or with another method.
// In: the routes of a service. Out: a 404 that names the nearest path, a 405 with Allow, an answer to OPTIONS.
// Why templates and not fastify's own patterns: a stranger reads "/v1/jobs/{id}" in the documentation, nowhere ":id".
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GristmillError, nearestName } from '../errors.ts';
import { listed, show } from '../wire/explain.ts';
import { sendProblem } from './problem.ts';

export type Known = { readonly path: string; readonly methods: readonly string[] };

const ALL_TOLD = 8; // paths of a service that are named one by one

/** Answers what no route took. */
export function answerOther(
  known: readonly Known[],
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const path = request.url.split('?')[0]!.slice(0, 200);
  const methods = methodsAt(known, path);
  if (methods.length === 0) return sendProblem(reply, unknownPath(known, request.method, path));
  reply.header('allow', methods.join(', '));
  if (request.method === 'OPTIONS') return reply.code(204).send();
  const message = `Cannot ${request.method} ${path}: expected ${listed(methods)}`;
  return sendProblem(reply, new GristmillError('METHOD_UNKNOWN', message));
}

export function unknownPath(known: readonly Known[], method: string, path: string): GristmillError {
  const paths = known.map((one) => one.path);
  const filled = new Map(paths.map((one) => [fillIn(one, path), one]));
  const nearest = filled.get(nearestName(path, filled.keys()) ?? '');
  const hint = nearest
    ? `did you mean ${show(nearest)}?`
    : paths.length <= ALL_TOLD
      ? `expected ${listed(paths)}`
      : 'expected one of those that /docs lists';
  const message = `Cannot ${method} ${path}: there is no such path; ${hint}`;
  return new GristmillError('PATH_UNKNOWN', message);
}

/** The template with what `path` has where it has parameters, so that a distance counts the words alone. */
function fillIn(template: string, path: string): string {
  const asked = path.split('/');
  const steps = template.split('/');
  if (steps.length !== asked.length) return template;
  return steps
    .map((step, index) => step.replace(/^\{\w+\}/, () => asked[index]!.split(':')[0]!))
    .join('/');
}

function methodsAt(known: readonly Known[], path: string): string[] {
  const found = known.filter((one) => patternOf(one.path).test(path));
  const methods = new Set(found.flatMap((one) => one.methods));
  return methods.size === 0 ? [] : [...methods, 'OPTIONS'];
}

/** The paths that a template stands for, with a slash at the end or without. */
function patternOf(template: string): RegExp {
  const steps = template
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith('{') ? '[^/:]+' : part.replace(/[.*+?^$()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${steps.join('')}/?$`);
}
