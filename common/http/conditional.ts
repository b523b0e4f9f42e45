// ETags and If-Match: which state a client has seen. In: a request, the number of an entry. Out: headers, or a refusal.
// Why entry numbers: what may be changed is a journal, and its last number tells every state from every other.
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../errors.ts';

/** The header in a route's schema. */
export const ifMatchHeader = (description: string) =>
  Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 40, description })) });

export const etagOf = (entry: number): string => `"${entry}"`;

export const withEtag = (reply: FastifyReply, entry: number): FastifyReply =>
  reply.header('etag', etagOf(entry));

/**
 * The entry that If-Match names, quoted as ETags are, or bare; undefined where there is no such header.
 * `act` begins the message: "move champion of trips in dev".
 */
export function readIfMatch(request: FastifyRequest, act: string): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined) return undefined;
  const number = /^(?:W\/)?"?([0-9]{1,12})"?$/.exec(header)?.[1];
  if (number !== undefined) return Number(number);
  throw new GristmillError(
    'PRECONDITION_FAILED',
    `Cannot ${act}: If-Match is ${header.slice(0, 40)}, expected the ETag of a GET such as ${etagOf(3)}`,
  );
}

/** Throws unless the client has seen entry `now`. */
export function requireIfMatch(request: FastifyRequest, act: string, now: number): void {
  const seen = readIfMatch(request, act);
  if (seen === now) return;
  if (seen === undefined) {
    const message = `Cannot ${act}: there is no If-Match header, expected the ETag of a GET (${etagOf(0)} where there is none yet)`;
    throw new GristmillError('PRECONDITION_REQUIRED', message);
  }
  const message = `Cannot ${act}: If-Match is ${etagOf(seen)}, expected its ETag ${etagOf(now)}`;
  throw new GristmillError('PRECONDITION_FAILED', message);
}
