// gristmill model: list, show, gate, rollback.
// In: names, a policy. Out: versions with their figures, gates, and an alias moved back.
// Why rollback asks for the history: "the one before" is what the alias served, not the version of the next lower number.

import { GristmillError } from '../../common/errors.ts';
import { metricTitle } from '../../common/metric/metrics.ts';
import { parseStrictJson } from '../../common/wire/json.ts';
import { figure, size } from '../../common/words/figures.ts';
import type { AliasView, GatePolicy } from '../api.ts';
import type { AliasPlace } from '../client.ts';
import { type Context, EXIT, type Run } from '../context.ts';
import { nameOf } from '../input.ts';
import { age } from '../print.ts';

type Environments = Readonly<Record<string, Readonly<Record<string, number | null>>>>;

export const list: Run = async ({ client, out }) => {
  const models = await client.models();
  if (out.isJson) out.json({ models });
  else if (models.length === 0) out.line('There are no models: a job with "publish" makes one.');
  else {
    out.table({
      head: ['MODEL', 'LATEST', 'SERVED'],
      right: [1],
      rows: models.map(({ name, latest, environments }) => [
        name,
        String(latest),
        aliasWords(environments).join(', ') || 'by no alias',
      ]),
    });
  }
  return EXIT.done;
};

export const show: Run = async ({ client, out, clock }, [name = '']) => {
  const model = await client.model(name);
  if (out.isJson) {
    out.json(model);
    return EXIT.done;
  }
  const metrics = Object.keys(model.versions[0]?.metrics ?? {});
  const servedBy = (version: number): string =>
    aliasPairs(model.environments)
      .filter((one) => one.version === version)
      .map((one) => one.name)
      .join(', ');
  out.line(out.style('bold', name));
  out.line(`label      ${model.versions[0]?.label ?? ''}`);
  for (const words of aliasWords(model.environments)) out.line(`alias      ${words}`);
  out.line();
  out.table({
    head: [
      'VERSION',
      'ALIAS',
      ...metrics.map((metric) => metricTitle(metric).toUpperCase()),
      'MODEL',
      'JOB',
      'MADE',
    ],
    right: [0, ...metrics.map((_, index) => index + 2), metrics.length + 2],
    rows: model.versions.map((version) => [
      String(version.version),
      servedBy(version.version),
      ...metrics.map((metric) => figure(version.metrics[metric] ?? Number.NaN)),
      size(version.modelBytes),
      version.job,
      age(version.createdAt, clock.now()),
    ]),
  });
  out.line(out.style('dim', "Figures are of the test rows of each version's own job."));
  if (model.next !== null) {
    const all = `GET /v1/models/${name}?before=${model.next}`;
    out.line(out.style('dim', `There are older ones: ${all} tells them.`));
  }
  return EXIT.done;
};

export const gate: Run<{ environment: string }> = async (
  context,
  [name = '', file],
  { environment },
) => {
  const { client, out } = context;
  if (file !== undefined) {
    const body = await context.readFile(file);
    parseStrictJson(body, nameOf(file));
    await client.setGate(name, environment, body);
  }
  const view = await client.gate(name, environment);
  if (out.isJson) {
    out.json(view);
    return EXIT.done;
  }
  const how = file !== undefined ? 'is now' : view.isDefault ? 'is the default' : 'is';
  out.line(`The gate of ${out.style('bold', name)} in ${environment} ${how}:`);
  for (const line of policyLines(view.policy)) out.line(`  ${line}`);
  return EXIT.done;
};

export const rollback: Run<{
  to?: number;
  environment: string;
  alias: string;
  reason?: string;
}> = async (context, [name = ''], { to, environment, alias, reason }) => {
  const { client, out } = context;
  const place = { name, environment, alias };
  const history = await client.aliasHistory(place);
  const head = history[0]!; // an alias has at least the entry that made it
  const version = to ?? versionBefore(history, place);
  if (version === head.version) {
    const message = `Cannot roll back ${aliasOf(place)} to version ${version}: it serves that now, expected another that it served before`;
    throw new GristmillError('USAGE', message);
  }
  if (!history.some((one) => one.version === version)) {
    const held = heldBy(history).filter((one) => one !== head.version);
    const which =
      held.length > 0 ? held.join(' or ') : 'one that it served before, and there is none';
    const message = `Cannot roll back ${aliasOf(place)} to version ${version}: it never served that, expected ${which}`;
    throw new GristmillError('USAGE', message);
  }
  const moved = await client.moveAlias(place, { version, seen: head.entry, reason });
  if (out.isJson) out.json({ from: head.version, ...moved });
  else {
    out.line(
      `${aliasOf(place)}: version ${head.version ?? 'none'} → ${out.style('bold', `version ${moved.version}`)}`,
    );
    await sayFigures(context, place, [head.version, moved.version]);
    out.line(out.style('dim', 'Gateways follow within a second.'));
  }
  return EXIT.done;
};

/**
 * The version that was served before the one that is. A move to a version that was held before undoes what came since, so a
 * rollback after a rollback goes further back, and never forward again: 1, 2, 3, back to 2, back to 1, and no further.
 */
function versionBefore(history: readonly AliasView[], place: AliasPlace): number {
  const now = history[0]!.version;
  const held: number[] = [];
  for (const { version } of [...history].reverse()) {
    if (version === null) continue;
    if (held.includes(version)) held.length = held.indexOf(version);
    held.push(version);
  }
  const before = held.at(now === null ? -1 : -2);
  if (before !== undefined) return before;
  const message = `Cannot roll back ${aliasOf(place)}: it serves ${now === null ? 'no version' : `version ${now}`} and nothing is before it, expected an alias that has moved on ("--to N" goes to any version that it served)`;
  throw new GristmillError('USAGE', message);
}

const heldBy = (history: readonly AliasView[]): readonly number[] => [
  ...new Set(history.flatMap(({ version }) => (version === null ? [] : [version]))),
];

async function sayFigures(
  { client, out }: Context,
  { name }: AliasPlace,
  versions: readonly (number | null)[],
): Promise<void> {
  for (const version of versions) {
    if (version === null) continue;
    const { metrics } = await client.version(name, version);
    const figures = Object.entries(metrics.test).map(
      ([metric, value]) => `${metricTitle(metric)} ${figure(value)}`,
    );
    out.line(`  version ${version}: ${figures.join('   ')}`);
  }
}

function policyLines({ min = {}, max = {}, change }: GatePolicy): string[] {
  const lines = [
    ...Object.entries(min).map(([metric, value]) => `${metricTitle(metric)} at least ${value}`),
    ...Object.entries(max).map(([metric, value]) => `${metricTitle(metric)} at most ${value}`),
    ...(change
      ? [
          `${metricTitle(change.metric)} against the champion: change above ${String(change.min).replace('-', '−')} with ${change.confidence * 100} % confidence`,
        ]
      : []),
  ];
  return lines.length > 0 ? lines : ['nothing: every version that passes its proof is let through'];
}

const aliasOf = ({ name, environment, alias }: AliasPlace): string =>
  `${environment}/${alias} of ${name}`;

const aliasPairs = (environments: Environments): { name: string; version: number | null }[] =>
  Object.entries(environments).flatMap(([environment, aliases]) =>
    Object.entries(aliases).map(([alias, version]) => ({
      name: `${environment}/${alias}`,
      version,
    })),
  );

const aliasWords = (environments: Environments): string[] =>
  aliasPairs(environments).map(
    ({ name, version }) => `${name} → ${version === null ? 'none' : `version ${version}`}`,
  );
