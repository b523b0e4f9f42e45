// Runs every step of a Dockerfile where no Docker is: each stage is a folder that is empty at its start.
// In: a checkout, its Dockerfile and ignore file, an empty folder. Out: the last stage's folder, and how it is started.
// Why: a file that is not copied, or a package that only this checkout has, is missing here as it would be in the image.
//
// What stands for what: this machine's Node, npm and shell for the base image's; a folder for the root of the image, so that
// paths of the image are put below it; the user who runs this for the one that USER names. What a base image lacks is not found.
//
//   FROM image ─► empty folder     FROM stage ─► its folder again     COPY ─► files of the context, or of a stage
//   RUN ─► this machine's shell in WORKDIR     ENV, ARG ─► RUN's environment; ENV also what the image is started with
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, delimiter, dirname } from 'node:path';
import { filesOf } from './context.ts';
import { expand, parseDockerfile, parsePairs, type Stage, type Step } from './dockerfile.ts';
import { inRoot, join, mapLine, mapWord } from './paths.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export type BuildOptions = {
  /** The checkout: COPY without --from takes from it. */
  readonly context: string;
  readonly dockerfile: string;
  readonly ignore: string;
  /** Must be empty or absent; a folder for each stage is made in it. */
  readonly folder: string;
  /** What RUN finds beside ENV and ARG: PATH, HOME, how npm reaches its registry. */
  readonly env: Env;
  readonly args?: Readonly<Record<string, string>>;
  readonly onStep?: (stage: string, step: Step) => void;
};

export type Image = {
  /** Stands for "/". */
  readonly root: string;
  /** Paths in these are the image's: mapWord() puts them below `root`. */
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[] | undefined;
  readonly user: string;
  readonly workdir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string;
};

type Built = { -readonly [K in keyof Image]: Image[K] } & { readonly args: Record<string, string> };

export async function buildImage(options: BuildOptions): Promise<Image> {
  mkdirSync(options.folder, { recursive: true });
  if (readdirSync(options.folder).length > 0) {
    throw new Error(`Cannot build in ${options.folder}: it holds something, expected an empty one`);
  }
  const files = filesOf(options.context, options.ignore);
  const stages = new Map<string, Built>();
  let last: Built | undefined;
  for (const stage of parseDockerfile(options.dockerfile)) {
    last = startStage(stage, stages, join(options.folder, stage.name));
    stages.set(stage.name, last);
    for (const step of stage.steps) {
      options.onStep?.(stage.name, step);
      await runStep(step, last, { options, files, stages });
    }
  }
  return last!;
}

/** The command line and environment of a container with these settings and words after its entrypoint. */
export function startOf(
  image: Image,
  words: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): { command: readonly string[]; env: Readonly<Record<string, string>>; cwd: string } {
  const map = (word: string): string => mapWord(image.root, word);
  const env = Object.entries(image.env).map(([name, value]) => [name, map(value)]);
  return {
    command: [...image.entrypoint, ...(words.length > 0 ? words : image.cmd)].map(map),
    env: { ...Object.fromEntries(env), ...settings },
    cwd: inRoot(image.root, image.workdir),
  };
}

function startStage(stage: Stage, stages: ReadonlyMap<string, Built>, root: string): Built {
  const base = stages.get(stage.from);
  mkdirSync(root);
  if (!base) return { ...EMPTY, root, env: {}, labels: {}, args: {} };
  cpSync(base.root, root, { recursive: true, verbatimSymlinks: true });
  return {
    ...base,
    root,
    env: { ...base.env },
    labels: { ...base.labels },
    args: { ...base.args },
  };
}

const EMPTY = {
  entrypoint: [],
  cmd: [],
  healthcheck: undefined,
  user: 'root',
  workdir: '/',
  ports: [],
  volumes: [],
  stopSignal: 'SIGTERM',
};

type Around = {
  readonly options: BuildOptions;
  readonly files: readonly string[];
  readonly stages: ReadonlyMap<string, Built>;
};

async function runStep(step: Step, stage: Built, around: Around): Promise<void> {
  const known = { ...stage.args, ...stage.env };
  const value = expand(step.text, known);
  const pairs = (): [string, string | undefined][] =>
    parsePairs(step).map(([name, given]) => [name, given && expand(given, known)]);
  switch (step.instruction) {
    case 'ARG':
      for (const [name, standard] of pairs()) {
        const given = around.options.args?.[name] ?? standard;
        if (given !== undefined) stage.args[name] = given;
      }
      return;
    case 'ENV':
      stage.env = { ...stage.env, ...definedOf(pairs(), step) };
      return;
    case 'LABEL':
      stage.labels = { ...stage.labels, ...definedOf(pairs(), step) };
      return;
    case 'WORKDIR':
      stage.workdir = value;
      mkdirSync(inRoot(stage.root, value), { recursive: true });
      return;
    case 'COPY':
      return copy(step, stage, around);
    case 'RUN':
      return execute(step, stage, around.options);
    case 'USER':
      stage.user = value;
      return;
    case 'EXPOSE':
      stage.ports = [...stage.ports, ...value.split(/\s+/)];
      return;
    case 'VOLUME':
      stage.volumes = [...stage.volumes, ...wordsOf(step)];
      return;
    case 'STOPSIGNAL':
      stage.stopSignal = value;
      return;
    case 'HEALTHCHECK':
      stage.healthcheck = healthOf(step);
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = wordsOf(step);
      return;
    case 'CMD':
      stage.cmd = wordsOf(step);
      return;
    default:
      throw failed(step, 'an instruction that has a step here');
  }
}

/** A folder's content is copied, not the folder; into a folder where the target says so or there are several. */
function copy(step: Step, stage: Built, { options, files, stages }: Around): void {
  const words = step.words ?? step.text.split(/\s+/);
  const target = words.at(-1)!;
  const sources = words.slice(0, -1);
  const into = target.endsWith('/') || target === '.';
  if (sources.length === 0 || (sources.length > 1 && !into)) throw failed(step, 'sources target/');
  const to = inRoot(stage.root, target, stage.workdir);
  const from = step.flags.from;
  for (const source of sources) {
    if (/[*?[]/.test(source)) throw failed(step, 'paths without wildcards');
    if (from === undefined) {
      copyFromContext(step, { context: options.context, files, source, to, into });
    } else {
      const other = stages.get(from);
      if (!other) throw failed(step, `--from one of ${[...stages.keys()].join(', ')}`);
      copyTree(step, inRoot(other.root, source), { to, into });
    }
  }
}

function copyFromContext(
  step: Step,
  of: { context: string; files: readonly string[]; source: string; to: string; into: boolean },
): void {
  const source = of.source.replace(/^\.?\/|\/$/g, '');
  const isFile = of.files.includes(source);
  const found = isFile ? [source] : of.files.filter((path) => path.startsWith(`${source}/`));
  if (found.length === 0) throw failed(step, `${source} in the checkout, and not ignored`);
  for (const path of found) {
    const below = isFile ? (of.into ? basename(path) : '') : path.slice(source.length + 1);
    const to = join(of.to, below);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(of.context, path), to);
  }
}

function copyTree(step: Step, from: string, { to, into }: { to: string; into: boolean }): void {
  if (!existsSync(from)) throw failed(step, `${from} to be there`);
  const isFolder = statSync(from).isDirectory();
  mkdirSync(isFolder || into ? to : dirname(to), { recursive: true });
  const target = !isFolder && into ? join(to, basename(from)) : to;
  cpSync(from, target, { recursive: true, verbatimSymlinks: true });
}

async function execute(step: Step, stage: Built, options: BuildOptions): Promise<void> {
  const shell = ['/bin/sh', '-c', mapLine(stage.root, step.text)];
  const command = step.words?.map((word) => mapWord(stage.root, word)) ?? shell;
  const own = { ...stage.args, ...stage.env };
  const mapped = Object.entries(own).map(([name, value]) => [name, mapWord(stage.root, value)]);
  const env = { ...baseEnv(options.env), ...Object.fromEntries(mapped) };
  const child = spawn(command[0]!, command.slice(1), {
    cwd: inRoot(stage.root, stage.workdir),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      tail = (tail + bytes.toString()).slice(-4000);
    });
  }
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 1));
  });
  if (code !== 0) throw failed(step, `exit code 0, got ${code}; it said last:\n${tail}`);
}

/** What this machine gives: programs, and how npm reaches a registry; nothing of the checkout and of who runs this. */
function baseEnv(env: Env): Env {
  const ours = /^(npm_|NODE_|INIT_CWD$|GRISTMILL_|AWS_|VITEST)/i;
  const registry =
    /^npm_config_(registry|proxy|https?_proxy|noproxy|cafile|strict_ssl|userconfig|globalconfig|cache)$|^NODE_EXTRA_CA_CERTS$/i;
  const kept = Object.entries(env).filter(([name]) => registry.test(name) || !ours.test(name));
  const programs = (env.PATH ?? '').split(delimiter).filter((one) => !one.includes('node_modules'));
  const path = [dirname(process.execPath), ...programs].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path };
}

function healthOf(step: Step): readonly string[] | undefined {
  if (step.text === 'NONE') return undefined;
  const words: unknown = /^CMD\s+\[/.test(step.text) && JSON.parse(step.text.slice(4));
  if (!Array.isArray(words)) throw failed(step, 'CMD ["program", …]');
  return words as string[];
}

/** The shell form would put a shell before the process, and signals would end at it. */
function wordsOf(step: Step): readonly string[] {
  if (!step.words) throw failed(step, '["program", "argument", …]');
  return step.words;
}

function definedOf(
  pairs: readonly (readonly [string, string | undefined])[],
  step: Step,
): Record<string, string> {
  return Object.fromEntries(
    pairs.map(([name, value]) => {
      if (value === undefined) throw failed(step, `a value for ${name}`);
      return [name, value];
    }),
  );
}

const failed = (step: Step, expected: string): Error =>
  new Error(
    `Cannot do line ${step.line} of the Dockerfile: ${step.instruction} ${step.text.slice(0, 200)}: expected ${expected}`,
  );

/** The parts of a build that the checkout gives: its Dockerfile and what it ignores. */
export const readBuild = (
  context: string,
): Pick<BuildOptions, 'context' | 'dockerfile' | 'ignore'> => ({
  context,
  dockerfile: readFileSync(join(context, 'deploy/Dockerfile'), 'utf8'),
  ignore: readFileSync(join(context, 'deploy/Dockerfile.dockerignore'), 'utf8'),
});
