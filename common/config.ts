// What a setting is, and how a table of them is read from the environment; the tables are settings.ts.
// In: a table, the environment, all names there are. Out: a frozen typed object, --help, or CONFIG_INVALID naming what is wrong.
// Why a table: reading, help and docs are derived from it, and a misspelt name never passes silently.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GristmillError, nearestName } from './errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export type Setting<T> = {
  readonly name: SettingName;
  /** What it is, with its unit. */
  readonly help: string;
  /** Text that stands for an absent value; undefined: it must be given. */
  readonly standard: string | undefined;
  /** The default in words, where it differs from machine to machine. */
  readonly shown?: string;
  /** Why that default. */
  readonly reason: string;
  /** The value, or undefined where the text is none; `expected` says what would be. */
  parse(text: string): T | undefined;
  readonly expected: string;
  readonly isSecret?: boolean;
};

export type SettingName = `GRISTMILL_${string}`;

type Table = Readonly<Record<string, Setting<unknown>>>;
export type Values<S extends Table> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** `known`: every name there is, whichever process reads it. Others are refused with the nearest one. */
export function readSettings<const S extends Table>(
  table: S,
  env: Env,
  known: readonly SettingName[],
): Values<S> {
  refuseUnknown(env, known);
  const entries = Object.entries(table).map(([key, setting]) => [key, readSetting(setting, env)]);
  return Object.freeze(Object.fromEntries(entries)) as Values<S>;
}

/** For errors: "GRISTMILL_NATS", or "the default of GRISTMILL_NATS". */
export const sourceOf = (name: SettingName, env: Env): string =>
  env[name] ? name : `the default of ${name}`;

/** The table as text for --help. */
export function describeSettings(table: Table): string {
  const lines = Object.values(table).map(({ name, help, standard, reason }) => {
    const rule = standard === undefined ? 'required' : `default ${JSON.stringify(standard)}`;
    return `  ${name.padEnd(24)}${help}\n  ${''.padEnd(24)}${rule}: ${reason}\n`;
  });
  return lines.join('');
}

/** What may be logged. */
export function maskSettings<S extends Table>(
  table: S,
  values: Values<S>,
): Record<string, unknown> {
  const entries = Object.entries(table).map(([key, { isSecret }]) => {
    const value = values[key as keyof S];
    return [key, isSecret ? String(value).replace(/\/\/[^/@,]*@/g, '//***@') : value];
  });
  return Object.fromEntries(entries);
}

type Described = {
  readonly name: SettingName;
  readonly help: string;
  readonly reason: string;
  readonly shown?: string;
};

export const text = (
  of: Described & { standard?: string; isSecret?: boolean; pattern?: RegExp; expected?: string },
): Setting<string> => ({
  ...of,
  standard: of.standard,
  parse: (given) => (!of.pattern || of.pattern.test(given) ? given : undefined),
  expected: of.expected ?? 'a text',
});

/** A store or lake, as a URI: `file:///folder`, `s3://bucket/prefix`, or a folder as a shell writes it. */
export const place = (of: Described & { standard?: string }): Setting<string> => ({
  ...of,
  standard: of.standard,
  parse(given) {
    if (/^\.{0,2}\//.test(given)) return pathToFileURL(resolve(given)).href;
    return /^(file:\/\/\/|s3:\/\/[^/]|memory:$)/.test(given) ? given : undefined;
  },
  expected: '/folder, file:///folder or s3://bucket/prefix',
});

export const whole = (
  of: Described & { standard: number; min: number; max: number },
): Setting<number> => ({
  name: of.name,
  help: of.help,
  reason: of.reason,
  ...(of.shown === undefined ? {} : { shown: of.shown }),
  standard: String(of.standard),
  parse(given) {
    const number = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
    return number >= of.min && number <= of.max ? number : undefined;
  },
  expected: `a whole number from ${of.min} to ${of.max}`,
});

/** A whole number, or null where it is left empty. */
export const wholeOrNone = (
  of: Described & { min: number; max: number },
): Setting<number | null> => {
  const some = whole({ ...of, standard: of.min });
  return {
    ...some,
    standard: '',
    parse: (given) => (given === '' ? null : some.parse(given)),
    expected: `${some.expected}, or nothing`,
  };
};

function refuseUnknown(env: Env, known: readonly SettingName[]): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith('GRISTMILL_') || known.includes(name as SettingName)) continue;
    const near = nearestName(name, known);
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot use the setting ${name}: there is none of this name, expected ${near ?? known.join(', ')}`,
    );
  }
}

function readSetting<T>(setting: Setting<T>, env: Env): T {
  const { name, expected, isSecret } = setting;
  const given = env[name] || setting.standard;
  if (given === undefined) {
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot start without ${name}, expected ${expected}`,
    );
  }
  const value = setting.parse(given);
  if (value !== undefined) return value;
  const shown = isSecret ? 'its value' : JSON.stringify(given.slice(0, 200));
  throw new GristmillError('CONFIG_INVALID', `Cannot use ${name}: ${shown}, expected ${expected}`);
}
