// A former run has left some of its processes: what it takes to go on with them.
// In: what was noted and lives, what is asked now. Out: the first thing asked that is not so there; ports for the missing.
// Why what was asked must agree: a process that lives has its settings, and a cluster of two minds serves nobody.
import { GristmillError } from '../../common/errors.ts';
import type { UpOptions } from './options.ts';
import { claimPorts } from './ports.ts';
import { livingOf, type Noted, workersOf } from './state.ts';

type Asked = Pick<UpOptions, 'lake' | 'store' | 'workers' | 'ports'>;

/** Throws USAGE where something is asked that is otherwise in the cluster that is left. `program`: how down is called. */
export function checkTakeover(former: Noted, asked: Asked, program: string): void {
  for (const { flag, wanted, there } of comparisonsOf(former, asked)) {
    if (wanted === undefined || wanted === there) continue;
    throw new GristmillError(
      'USAGE',
      `Cannot take over the cluster at ${former.coordinatorUrl} with ${flag} ${wanted}: it has ${there}, ` +
        `expected that or no ${flag} ("${program} down" ends what is left of it)`,
    );
  }
}

function comparisonsOf(former: Noted, { lake, store, workers, ports }: Asked) {
  const { ports: there, isMinio, storeUri, lakeUri } = former;
  return [
    { flag: '--port', wanted: ports.coordinator || undefined, there: there.coordinator },
    { flag: '--gateway-port', wanted: ports.gateway || undefined, there: there.gateway },
    { flag: '--workers', wanted: workers, there: workersOf(former) },
    { flag: '--lake', wanted: lake, there: lakeUri },
    typeof store === 'object'
      ? { flag: '--store', wanted: store.uri, there: storeUri }
      : { flag: '--store', wanted: store, there: isMinio ? 'minio' : 'folder' },
  ];
}

const USUAL = { coordinator: 8080, gateway: 8090 };
const FLAGS = { coordinator: '--port', gateway: '--gateway-port' } as const;

/** As before, else as asked, else the usual ones: free ones all, but where a process that lives has its own. */
export async function portsFor(
  asked: UpOptions['ports'],
  former: Noted | undefined,
): Promise<{ coordinator: number; gateway: number }> {
  const living = new Set((former ? livingOf(former) : []).map(({ name }) => name));
  const wanted = (['coordinator', 'gateway'] as const).map((name) => ({
    name,
    flag: FLAGS[name],
    port: former?.ports[name] ?? asked[name] ?? USUAL[name],
    isTheirs: living.has(name),
  }));
  const free = wanted.filter(({ isTheirs }) => !isTheirs);
  const claimed = await claimPorts(free);
  const entries = wanted.map((one) => [one.name, claimed[free.indexOf(one)] ?? one.port]);
  return Object.fromEntries(entries) as { coordinator: number; gateway: number };
}
