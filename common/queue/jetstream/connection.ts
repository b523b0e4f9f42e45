// The way to a nats-server: its address, the login, the first contact, and what its absence means in words.
// In: an address. Out: a connection that finds its way back by itself, or QUEUE_UNAVAILABLE.
// Why apart: nothing here knows streams or tasks.
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { GristmillError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Log } from '../../log.ts';

export type JetStreamOptions = {
  /** `nats://[user:password@]host:port`, several separated by commas; `tls://` encrypts. */
  readonly servers: string;
  /** Where that address came from, for the error: "GRISTMILL_NATS", "the default of GRISTMILL_NATS". */
  readonly source: string;
  /** Shown by `nats server report connections`. */
  readonly name: string;
  readonly log: Log;
  readonly ackWaitMs?: number;
};

export async function reach(options: JetStreamOptions): Promise<NatsConnection> {
  const { servers, login, encrypted } = parseServers(options.servers);
  try {
    const connection = await connect({
      servers,
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: LIMITS.queueRetryMs,
      ignoreAuthErrorAbort: true, // a server that is being set up may refuse us for a while
      timeout: LIMITS.queueTimeoutMs,
      pingInterval: 10_000,
      noAsyncTraces: true,
      ...login,
      ...(encrypted ? { tls: {} } : {}),
    });
    await requireJetStream(connection, options);
    return connection;
  } catch (error) {
    if (error instanceof GristmillError) throw error;
    throw new GristmillError(
      'QUEUE_UNAVAILABLE',
      `Cannot connect to NATS at ${withoutSecrets(options.servers)} (from ${options.source}): ` +
        `${reasonOf(error)}, expected a nats-server with JetStream there: start "nats-server -js", ` +
        'or set GRISTMILL_NATS to the address of one',
      { cause: error },
    );
  }
}

async function requireJetStream(c: NatsConnection, options: JetStreamOptions): Promise<void> {
  if (c.info?.jetstream) return;
  await c.close();
  throw new GristmillError(
    'QUEUE_UNAVAILABLE',
    `Cannot use NATS at ${withoutSecrets(options.servers)} (from ${options.source}): JetStream is off, ` +
      'expected it on: start "nats-server -js -sd DIR"',
  );
}

export function warnOldServer(connection: NatsConnection, log: Log): void {
  const version = connection.info?.version ?? '0.0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 2 || (major === 2 && minor >= 11)) return;
  log.warn('nats-server is old', { version, expected: '2.11 or newer' });
}

export function unavailable(act: string, uri: string, cause: unknown): GristmillError {
  return new GristmillError(
    'QUEUE_UNAVAILABLE',
    `Cannot ${act}: NATS at ${uri} answered "${reasonOf(cause)}", expected JetStream to accept it`,
    { cause },
  );
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.toLowerCase() : String(error);

/** The client wants host:port and the login apart. */
function parseServers(text: string): {
  servers: string[];
  login: { user?: string; pass?: string; token?: string };
  encrypted: boolean;
} {
  const urls = text.split(',').map((part) => parseServer(part.trim()));
  const { username, password } = urls[0]!;
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const login = pass ? { user, pass } : user ? { token: user } : {};
  return { servers: urls.map((u) => u.host), login, encrypted: urls[0]!.protocol === 'tls:' };
}

function parseServer(text: string): URL {
  const url = text.includes('://') ? text : `nats://${text}`;
  if (URL.canParse(url) && /^(nats|tls):\/\/[^/]+\/?$/.test(url)) return new URL(url);
  throw new GristmillError(
    'CONFIG_INVALID',
    `Cannot use ${JSON.stringify(withoutSecrets(text))} as the address of NATS, expected nats://host:port`,
  );
}

export const withoutSecrets = (servers: string): string =>
  servers.replace(/\/\/[^/@,]*@/g, '//***@');
