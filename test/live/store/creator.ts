// Creates objects until it is killed: each is the SHA-256 of its body, and its body.
// In: a folder. Out: one line for each create that was answered.
// Why a process: SIGKILL asks no finally block.
import { sha256Hex } from '../../../common/ids.ts';
import { openFileStore } from '../../../common/store/file.ts';

const store = await openFileStore(process.argv[2] ?? '');
const name = process.argv[3] ?? '';
const create = async (lane: number): Promise<void> => {
  for (let i = 0; ; i++) {
    const body = Buffer.alloc(1 + ((i * 7919) % 20_000), `${name}/${lane}/${i} `);
    const key = `${name}/${lane}/${String(i).padStart(6, '0')}`;
    const whole = Buffer.concat([Buffer.from(sha256Hex(body)), body]);
    if ((await store.create(key, whole)) === 'created') process.stdout.write(`${key}\n`);
  }
};
await Promise.all([0, 1, 2, 3].map(create));
