// A free loopback port. In: nothing. Out: a number that nobody listens on, different each time.
// Why not port 0: the system gives the same range to outgoing connections, and one of those may hold the port
// when a server that was killed is to come back on it. Below that range are ports that only who asks here takes.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const RANGE = { from: 20_000, size: 12_000 };
/** Processes begin anywhere, and go on one by one. */
let next = randomInt(RANGE.size);

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < RANGE.size; tries++) {
    const port = RANGE.from + (next++ % RANGE.size);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port, expected one from ${RANGE.from} on`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
