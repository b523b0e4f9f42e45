// The image: what its Dockerfile says, how its steps are read and run without Docker, and what the linter says of it.
// In: deploy/Dockerfile, and small ones made up. Out: parsed stages, folders, findings. The whole image: test/live/image.test.ts.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { getHadolint } from '../../deploy/binaries.mjs';
import { root } from '../../deploy/bootstrap.mjs';
import { readIgnore } from '../../deploy/image/context.ts';
import { expand, parseDockerfile, parsePairs } from '../../deploy/image/dockerfile.ts';
import { inRoot, mapLine } from '../../deploy/image/paths.ts';
import { buildImage, readBuild, startOf } from '../../deploy/image/steps.ts';
import { tempFolder } from '../support/runner.ts';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
};
const { dockerfile, ignore } = readBuild(root);

describe('deploy/Dockerfile', () => {
  const stages = parseDockerfile(dockerfile);
  const last = stages.at(-1)!;
  const stepsOf = (instruction: string) =>
    last.steps.filter((step) => step.instruction === instruction);

  test('hadolint finds nothing', async ({ skip }) => {
    const hadolint = await getHadolint().catch((error: Error) => {
      if (/SHA-256/.test(error.message)) throw error; // a forged download is no reason to skip
      process.stderr.write(`SKIPPED: the linter of the Dockerfile. ${error.message}\n`);
      return undefined;
    });
    if (hadolint === undefined) return skip('no hadolint on this machine');
    const args = ['--no-color', '--failure-threshold', 'none', 'deploy/Dockerfile'];
    const { stdout, stderr, status } = spawnSync(hadolint, args, { cwd: root, encoding: 'utf8' });
    expect(stdout + stderr).toBe('');
    expect(status).toBe(0);
  });

  test('is built on the Node of package.json, pinned, in every stage', () => {
    const names = new Set(stages.map(({ name }) => name));
    const images = stages.map(({ from }) => from).filter((from) => !names.has(from));
    expect(new Set(images)).toEqual(
      new Set([`node:${manifest.devDependencies.node}-bookworm-slim`]),
    );
  });

  test('ends as a user by number, with a health check and an entrypoint that is a command of ours', () => {
    expect(stepsOf('USER').at(-1)!.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(stepsOf('ENTRYPOINT').at(-1)!.words).toEqual(['node', '/app/dist/cli/main.js']);
    expect(stepsOf('STOPSIGNAL').at(-1)!.text).toBe('SIGTERM');
    expect(stepsOf('CMD')).toEqual([]);
    expect(COMMANDS.map(({ path }) => path.join(' '))).toContain('health');
    expect(stepsOf('HEALTHCHECK').at(-1)!.text).toMatch(/\/app\/dist\/cli\/main\.js", "health"\]$/);
  });

  test('has the labels of an image, and the version of package.json', () => {
    const labels = Object.fromEntries(stepsOf('LABEL').flatMap(parsePairs));
    expect(Object.keys(labels).sort()).toEqual(
      ['description', 'licenses', 'title', 'version'].map((n) => `org.opencontainers.image.${n}`),
    );
    expect(stepsOf('ARG').flatMap(parsePairs)).toEqual([['VERSION', manifest.version]]);
  });

  test('names no registry and no secret, and copies no more than it names', () => {
    expect(dockerfile).not.toMatch(/https?:\/\/|password|secret|token/i);
    const isIn = readIgnore(ignore);
    expect(['.git/config', '.npmrc', '.gristmill/bin/minio', 'test/a.ts'].filter(isIn)).toEqual([]);
    expect(['common/node_modules/a.js', 'README.md', 'worker/README.md'].filter(isIn)).toEqual([]);
    expect(['package-lock.json', 'cli/main.ts', 'deploy/pack.mjs'].filter((p) => !isIn(p))).toEqual(
      [],
    );
  });
});

test('parseDockerfile() joins lines, drops comments, reads flags and both forms', () => {
  const stages = parseDockerfile(
    '# comment\nFROM a:1 AS one\nRUN x \\\n  # between\n  && y\nFROM one\nCOPY --from=one /a b/\nCMD ["p", "q"]\n',
  );
  expect(stages.map(({ name, from }) => [name, from])).toEqual([
    ['one', 'a:1'],
    ['1', 'one'],
  ]);
  expect(stages[0]!.steps[0]).toMatchObject({ line: 3, text: 'x   && y' });
  expect(stages[1]!.steps).toMatchObject([
    { instruction: 'COPY', flags: { from: 'one' }, text: '/a b/' },
    { instruction: 'CMD', words: ['p', 'q'] },
  ]);
});

test.each([
  ['ADD a b', /line 2 .*expected one of FROM, ARG/],
  ['COPY --chown=1 a b', /--chown.*expected --from/],
  ['RUN <<EOF', /no here-document/],
])('parseDockerfile() refuses %o instead of leaving it out', (line, message) => {
  expect(() => parseDockerfile(`FROM a:1\n${line}\n`)).toThrow(message);
});

test('parsePairs() and expand() read values as a builder does', () => {
  const braced = (inside: string): string => `$\{${inside}}`;
  const [stage] = parseDockerfile(`FROM a:1\nENV A=1 B="two words" C=${braced('D:-x')}\n`);
  expect(parsePairs(stage!.steps[0]!)).toEqual([
    ['A', '1'],
    ['B', 'two words'],
    ['C', braced('D:-x')],
  ]);
  expect(expand(`${braced('D:-x')} $A ${braced('B')}!`, { A: 'a', B: '' })).toBe('x a !');
});

test('paths of the image lie below the folder, those of the base image are this machine’s', () => {
  expect(inRoot('/r', '../..', '/app')).toBe('/r/');
  expect(inRoot('/r', 'dist', '/app')).toBe('/r/app/dist');
  expect(mapLine('/r', 'mkdir -m 1 /scratch && ls /dev/null a/b "/app/x"')).toBe(
    'mkdir -m 1 /r/scratch && ls /dev/null a/b "/r/app/x"',
  );
});

describe('buildImage()', () => {
  function checkout(files: Readonly<Record<string, string>>): string {
    const folder = tempFolder();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    execFileSync('git', ['init', '-q'], { cwd: folder });
    return folder;
  }
  const build = (context: string, text: string, ignore = '') =>
    buildImage({
      context,
      dockerfile: text,
      ignore,
      folder: join(tempFolder(), 'image'),
      env: process.env,
    });

  test('runs each step in folders of their own, and tells how the image is started', async () => {
    const context = checkout({ 'src/a.txt': 'a', 'src/deep/b.txt': 'b', 'c.txt': 'c' });
    const image = await build(
      context,
      `FROM x:1 AS made
WORKDIR /app
ARG WORD=hello
COPY src ./src
COPY c.txt ./
RUN echo $WORD > said.txt && mkdir /scratch
FROM x:1
WORKDIR /app
COPY --from=made /app/src /app/said.txt ./
ENV PLACE=/app/deep WORD=w
HEALTHCHECK CMD ["node", "/app/h.js"]
ENTRYPOINT ["node", "/app/main.js"]
`,
    );
    const at = (path: string): string => readFileSync(join(image.root, 'app', path), 'utf8');
    expect([at('a.txt'), at('deep/b.txt'), at('said.txt')]).toEqual(['a', 'b', 'hello\n']);
    expect(existsSync(join(image.root, 'app/c.txt'))).toBe(false);
    expect(existsSync(join(image.root, 'scratch'))).toBe(false);
    expect(startOf(image, ['worker'], { PORT: '1' })).toEqual({
      command: ['node', join(image.root, 'app/main.js'), 'worker'],
      env: { PLACE: join(image.root, 'app/deep'), WORD: 'w', PORT: '1' },
      cwd: join(image.root, 'app'),
    });
  });

  test('finds a file that is missing, ignored by git or by the build, or not copied', async () => {
    const context = checkout({ 'a.txt': 'a', '.gitignore': 'made/', 'made/b.txt': 'b' });
    const from = (line: string, ignore?: string) => build(context, `FROM x:1\n${line}\n`, ignore);
    await expect(from('COPY none.txt ./')).rejects.toThrow(/line 2 .*none\.txt in the checkout/);
    await expect(from('COPY made ./made')).rejects.toThrow(/made in the checkout/);
    await expect(from('COPY a.txt ./', 'a.*')).rejects.toThrow(/not ignored/);
    await expect(from('RUN cat a.txt')).rejects.toThrow(
      /exit code 0, got 1; it said last:\n.*a\.txt/,
    );
    await expect(from('ENTRYPOINT node a.js')).rejects.toThrow(/expected \["program", "argument"/);
  });
});
