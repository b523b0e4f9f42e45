// The page of settings says what the processes read.
// In: the settings of every process. Out: deploy/configuration.md, or the lines in which it is stale (vitest -u writes it).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SETTINGS } from '../../common/settings.ts';
import { AWS_VARIABLES } from '../../common/store/variables.ts';
import { renderConfiguration } from '../../deploy/configuration.ts';
import { root, sources } from './tree.ts';

const ROLES = Object.entries(SETTINGS).map(([role, settings]) => ({ role, settings }));
const { worker, gateway } = SETTINGS;

test('deploy/configuration.md is what the tables of settings say', async () => {
  await expect(renderConfiguration(ROLES, AWS_VARIABLES)).toMatchFileSnapshot(
    '../../deploy/configuration.md',
  );
});

test('a default that differs from machine to machine is shown in words', () => {
  const page = readFileSync(join(root, 'deploy/configuration.md'), 'utf8');
  const perMachine = [worker.threads, worker.memoryMiB, worker.scratch, gateway.scratch];
  for (const { name, shown } of perMachine) expect(shown, name).toBeTruthy();
  expect(page).not.toContain(worker.scratch.standard);
});

test('the AWS_* variables that are read are those of the table', () => {
  const text = sources
    .filter(({ path }) => path.startsWith('common/store/') && !path.endsWith('variables.ts'))
    .map((file) => file.text)
    .join('\n');
  const read = [...text.matchAll(/\benv\.(AWS_\w+)/g)].map(([, name]) => name);
  const known = AWS_VARIABLES.map(({ name }) => name);
  expect(read.filter((name) => !known.includes(name!))).toEqual([]);
  expect(known.filter((name) => !text.includes(name))).toEqual([]);
});
