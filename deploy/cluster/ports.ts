// Ports on the loopback address: free ones, or the one that was asked for.
// In: numbers. Out: numbers that nobody listens at, or PORT_TAKEN that says who does.
// Why asked before anything starts: a coordinator that cannot listen says so in a log that nobody reads.
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { GristmillError } from '../../common/errors.ts';
import { requestJson } from './http.ts';
import { listenerOf, listenerWords } from './listener.ts';

export type Wanted = { readonly name: string; readonly flag: string; readonly port: number };

const ASK_MS = 1_000;

/** The ports as wanted; any free one for 0. */
export async function claimPorts(wanted: readonly Wanted[]): Promise<number[]> {
  for (const one of wanted) {
    const twin = wanted.find((other) => other !== one && other.port === one.port);
    if (one.port !== 0 && twin) {
      const message = `Cannot start on ${one.flag} ${one.port}: the ${twin.name} has it, expected two different ports`;
      throw new GristmillError('USAGE', message);
    }
    if (one.port !== 0 && !(await isFree(one.port))) throw await taken(one);
  }
  const asked = wanted.map(({ port }) => port);
  const free = await freePorts(wanted.length, asked);
  return wanted.map(({ port }, i) => (port === 0 ? free[i]! : port));
}

/** Below what the system gives to outgoing connections: one of those could hold the port before who is to listen there starts. */
const RANGE = { from: 12_000, size: 20_000 };
/** Processes begin anywhere, and go on one by one: none is given twice. */
let next = randomInt(RANGE.size);

/** Free loopback ports, all different and none of `but`. */
export async function freePorts(count: number, but: readonly number[] = []): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; tries < RANGE.size && ports.length < count; tries++) {
    const port = RANGE.from + (next++ % RANGE.size);
    if (!but.includes(port) && (await isFree(port))) ports.push(port);
  }
  if (ports.length === count) return ports;
  throw new GristmillError(
    'PORT_TAKEN',
    `Cannot find ${count} free ports: ${ports.length} of ${RANGE.size} tried from ${RANGE.from} on are free`,
  );
}

async function isFree(port: number): Promise<boolean> {
  try {
    await close(await listenAt(port));
    return true;
  } catch {
    return false;
  }
}

async function taken({ name, flag, port }: Wanted): Promise<GristmillError> {
  const message = `Cannot start the ${name} on port ${port}: ${await whoListens(port)}, expected a free port`;
  return new GristmillError('PORT_TAKEN', `${message} (${flag} N; 0 takes a free one)`);
}

/** A cluster by its title, any other program by its process. */
async function whoListens(port: number): Promise<string> {
  const listener = listenerWords(listenerOf(port));
  try {
    const url = `http://127.0.0.1:${port}/openapi.json`;
    const { info } = await requestJson<{ info?: { title?: string } }>(url, {
      signal: AbortSignal.timeout(ASK_MS),
    });
    if (/gristmill/i.test(info?.title ?? '')) {
      return `another cluster's ${info?.title} answers there: ${listener}`;
    }
  } catch {
    // it speaks something else
  }
  return listener;
}

function listenAt(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

const close = (server: Server): Promise<unknown> => new Promise((closed) => server.close(closed));
