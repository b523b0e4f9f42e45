// Ends the process groups of a cluster when whoever started it is gone, even by SIGKILL.
// In: lines "+pid", "-pid" or "release" on standard input. Out: at its end, SIGKILL to every group still listed.
// Why a process of its own: a pipe that closes is the one sign of death that cannot be missed.
import { createInterface } from 'node:readline';

const groups = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (line === 'release') groups.clear();
  else if (line.startsWith('+')) groups.add(Number(line.slice(1)));
  else groups.delete(Number(line.slice(1)));
});
lines.on('close', () => {
  for (const group of groups) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // gone already
    }
  }
});
