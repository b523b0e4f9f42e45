// Lists a page at a time: what a request may say of it. In: a query. Out: how many rows, from where.
// Why a bound on every list: what a service has to tell grows for years, and an answer must not.
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

const STANDARD = 50;

/** A whole number in a query. */
export const numberParam = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[0-9]{1,12}$', description }));

export const limitParam = (what: string) =>
  numberParam(`${what} a page: 1 to ${LIMITS.pageRowsMax}, ${STANDARD} if not said`);

export function limitOf(request: FastifyRequest, what: string): number {
  const { limit = STANDARD } = request.query as { readonly limit?: string };
  const rows = Number(limit);
  if (rows >= 1 && rows <= LIMITS.pageRowsMax) return rows;
  const message = `Cannot list ${rows} ${what} a page, expected 1 to ${LIMITS.pageRowsMax}`;
  throw new GristmillError('REQUEST_INVALID', message);
}
