// A free loopback port, different each time. In: nothing. Out: its number.
// Why not port 0: a server that was killed is to come back on it.
import { freePorts } from '../../deploy/cluster/ports.ts';

export const freePort = async (): Promise<number> => (await freePorts(1))[0]!;
