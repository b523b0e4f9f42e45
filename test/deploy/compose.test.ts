// compose.yaml: what each service is told, and how little it may.
// In: the file, read as YAML, with the defaults of its variables. Out: what a role would refuse, or an operator regret.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { COMMANDS } from '../../cli/commands.ts';
import { LIMITS } from '../../common/limits.ts';
import { readConfig, SETTINGS } from '../../common/settings.ts';
import { AWS_VARIABLES } from '../../common/store/variables.ts';
import { root } from '../../deploy/bootstrap.mjs';
import { expand, parseDockerfile, parsePairs } from '../../deploy/image/dockerfile.ts';

type Service = {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly user: string;
  readonly tmpfs?: readonly string[];
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly { readonly target: string; readonly source?: string }[];
  readonly deploy?: { readonly replicas: number };
};

const text = readFileSync(join(root, 'deploy/compose.yaml'), 'utf8');
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
};
const services = Object.entries(compose.services);
const image = parseDockerfile(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')).at(-1)!;
const imageEnv = Object.fromEntries(
  image.steps
    .filter(({ instruction }) => instruction === 'ENV')
    .flatMap((step) => parsePairs(step) as [string, string][]),
);
const roles = ['coordinator', 'worker', 'gateway'] as const;
const seconds = (service: Service): number =>
  Number(/^(\d+)s$/.exec(service.stop_grace_period)?.[1]);

describe.each(roles)('the service %s', (role) => {
  const service = compose.services[role]!;
  const environment = Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([name, value]) => [
      name,
      expand(`${value}`, {}),
    ]),
  );

  test('runs its role of the image, whose settings and its own are accepted', () => {
    expect(service.command).toEqual([role]);
    expect(COMMANDS.map(({ path }) => path.join(' '))).toContain(role);
    expect(() => readConfig(role, { ...imageEnv, ...environment })).not.toThrow();
  });

  test('is told nothing that its role does not read', () => {
    const read = [
      ...Object.values(SETTINGS[role]).map(({ name }) => name as string),
      ...AWS_VARIABLES.map(({ name }) => name),
    ];
    expect(Object.keys(environment).filter((name) => !read.includes(name))).toEqual([]);
  });

  test('has the health check of the image, and writes to its own /scratch alone', () => {
    const { text } = image.steps.find(({ instruction }) => instruction === 'HEALTHCHECK')!;
    const words = JSON.parse(text.replace(/^CMD /, '')) as string[];
    expect(service.healthcheck.test).toEqual(['CMD', ...words]);
    expect(service.volumes).toEqual([{ type: 'volume', target: imageEnv.GRISTMILL_SCRATCH }]);
  });
});

test.each(services)(
  'the service %s is pinned, bounded, and no more than it must be',
  (name, service) => {
    expect(service.image).toMatch(/^[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*$/);
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.user).toMatch(name === 'minio' ? /^0:0$/ : /^[1-9]\d*:[1-9]\d*$/);
    expect(service.healthcheck.test[0]).toBe('CMD');
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  },
);

test.each(services)(
  'the service %s comes up, and again after a kill, on Docker 20.10',
  (_name, service) => {
    expect(service.healthcheck).not.toHaveProperty('start_interval'); // engine 25
    const [user] = service.user.split(':');
    for (const mount of service.tmpfs ?? []) {
      // 20.10 loses the mode of a tmpfs when a container starts again: whoever owns it can still write
      if (user !== '0') expect(mount).toMatch(new RegExp(`[:,]uid=${user},gid=${user},`));
    }
  },
);

test('each service has longer to stop than its role takes to drain', () => {
  const { services: of } = compose;
  expect(seconds(of.worker!) * 1000).toBeGreaterThanOrEqual(LIMITS.drainGraceMs + 10_000);
  expect(seconds(of.coordinator!) * 1000).toBeGreaterThanOrEqual(LIMITS.drainMs + 10_000);
  expect(seconds(of.gateway!) * 1000).toBeGreaterThanOrEqual(
    LIMITS.drainNoticeMs + LIMITS.inferDeadlineMs + 10_000,
  );
});

test('there are two workers, and whoever needs another waits until it is well', () => {
  expect(compose.services.worker!.deploy?.replicas).toBe(2);
  for (const [, { depends_on = {} }] of services) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      expect(compose.services).toHaveProperty(other);
      expect(condition).toBe('service_healthy');
    }
  }
});

test('every variable has a default, passwords say that they want changing, and files are there', () => {
  const variables = [...text.matchAll(/\$\{(\w+)(:-([^}]*))?\}/g)];
  expect(variables.filter(([, , standard]) => standard === undefined)).toEqual([]);
  for (const [, name, , standard] of variables) {
    if (name!.endsWith('PASSWORD')) expect(standard).toMatch(/^change-this-/);
  }
  for (const { file } of Object.values(compose.configs)) {
    expect(existsSync(join(root, 'deploy', file))).toBe(true);
  }
  expect(compose.volumes).toHaveProperty('store');
});
