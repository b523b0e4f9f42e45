// Opens a port and closes it again. In: a server and an address. Out: its URL, or an error that says what to change.
// Why closing is ours: Node by itself waits for sockets on which a browser has connected and asked nothing yet.
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import { GristmillError } from '../errors.ts';

/** Listens, or says in our words why not. The answer is the address. */
export async function listen(
  app: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await app.listen({ host: at.host, port: at.port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const where = `${at.host}:${at.port}`;
    if (code === 'EADDRINUSE') {
      const message = `Cannot listen on ${where}: the port is taken, expected a free one (GRISTMILL_PORT)`;
      throw new GristmillError('PORT_TAKEN', message, { cause });
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      const message = `Cannot listen on ${where}: ${code}, expected an address of this machine and a port above 1023`;
      throw new GristmillError('CONFIG_INVALID', message, { cause });
    }
    throw cause;
  }
}

/** Answers what has come in, for `drainMs` at most, then closes every socket. The signal ends what would go on for ever. */
export function drainOnClose(
  app: FastifyInstance,
  { clock, drainMs }: { readonly clock: Clock; readonly drainMs: number },
): AbortSignal {
  const closing = new AbortController();
  const open = new Set<string>();
  app.addHook('onRequest', (request, _reply, done) => {
    open.add(request.id);
    done();
  });
  app.addHook('onResponse', (request, _reply, done) => {
    open.delete(request.id);
    done();
  });
  app.addHook('onRequestAbort', (request, done) => {
    open.delete(request.id);
    done();
  });
  app.addHook('preClose', async () => {
    closing.abort(new GristmillError('NOT_WORKING', 'Cannot go on: the service stops'));
    const endMs = clock.monotonicMs() + drainMs;
    while (open.size > 0 && clock.monotonicMs() < endMs) await clock.sleep(5);
    app.server.closeAllConnections();
  });
  return closing.signal;
}
