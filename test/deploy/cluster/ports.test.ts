// A port that is taken is told with who has it.
// In: a server of this process. Out: the error that `up` would print.
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { listenerOf, listenerWords } from '../../../deploy/cluster/listener.ts';
import { claimPorts } from '../../../deploy/cluster/ports.ts';

test('claimPorts() names the process that has a port', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  expect(listenerOf(port)).toMatchObject({ pid: process.pid });
  await expect(claimPorts([{ name: 'coordinator', flag: '--port', port }])).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining(`on port ${port}: process ${process.pid} (`),
  });
});

test('listenerWords() keeps a long command short, and says what it cannot know', () => {
  expect(listenerWords(undefined)).toBe('another program listens there');
  const found = { pid: 7, command: 'x'.repeat(500), since: '' };
  expect(listenerWords(found).length).toBeLessThan(170);
});
