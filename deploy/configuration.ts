// The settings of every process as one Markdown page.
// In: the tables that the processes read their environment with. Out: the text of deploy/configuration.md.
// Why given, not imported: deploy imports nothing of the processes; a test joins them and keeps the page current.
import type { Setting } from '../common/config.ts';
import type { Variable } from '../common/store/variables.ts';

export type Role = {
  readonly role: string;
  readonly settings: Readonly<Record<string, Setting<unknown>>>;
};

type Row = {
  readonly name: string;
  readonly roles: readonly string[];
  readonly what: string;
  readonly standard: string;
  readonly why: string;
};

const INTRO = `# Configuration

Every process is configured by its environment alone, and refuses a \`GRISTMILL_…\` name that it has never heard of: a misspelt one does not pass silently.
One environment may serve several processes; each reads what it knows. An empty value counts as none. What must agree across a cluster is not
here: it travels in the plan of a job.

This page is written from the tables that the processes read (\`common/settings.ts\`); \`test/house/configuration.test.ts\` keeps it so. Every process prints its part with \`--help\`.
`;

const S3 = `## S3

Where a store or a lake is \`s3://bucket/prefix\`, the processes that open it read the variables that every S3 client reads:
`;

const END = `**secret** marks what may hold a password; logs show it masked or not at all.
`;

export function renderConfiguration(
  roles: readonly Role[],
  variables: readonly Variable[],
): string {
  const rows = mergeRows(roles.flatMap(({ role, settings }) => rowsOf(role, settings)));
  return [INTRO, settingsTable(rows), S3, variablesTable(variables), END].join('\n');
}

const rowsOf = (role: string, settings: Role['settings']): Row[] =>
  Object.values(settings).map((setting) => ({
    name: setting.name,
    roles: [role],
    what: `${setting.help}${setting.isSecret ? ' **secret**' : ''}`,
    standard: standardOf(setting),
    why: setting.reason,
  }));

function standardOf({ standard, shown }: Setting<unknown>): string {
  if (standard === undefined) return '**required**';
  if (shown !== undefined) return shown;
  return standard === '' ? 'none' : `\`${standard}\``;
}

/** Roles that mean the same by a name share a row; rows of one name follow one another. */
function mergeRows(rows: readonly Row[]): Row[] {
  const merged: Row[] = [];
  for (const row of rows) {
    const same = merged.findIndex(
      ({ name, what, standard }) =>
        name === row.name && what === row.what && standard === row.standard,
    );
    if (same < 0) merged.push(row);
    else merged[same] = joinRows(merged[same]!, row);
  }
  const names = [...new Set(merged.map(({ name }) => name))];
  return names.flatMap((name) => merged.filter((row) => row.name === name));
}

const joinRows = (one: Row, other: Row): Row => ({
  ...one,
  roles: [...one.roles, ...other.roles],
  why: one.why === other.why ? one.why : `${one.why}; ${other.why}`,
});

const settingsTable = (rows: readonly Row[]): string =>
  table(
    ['name', 'read by', 'what', 'default', 'why'],
    rows.map(({ name, roles, what, standard, why }, i) => [
      rows[i - 1]?.name === name ? '' : `\`${name}\``,
      roles.join(', '),
      what,
      standard,
      why,
    ]),
  );

const variablesTable = (variables: readonly Variable[]): string =>
  table(
    ['name', 'what', 'default', 'why'],
    variables.map(({ name, help, standard, reason, isSecret }) => [
      `\`${name}\``,
      `${help}${isSecret ? ' **secret**' : ''}`,
      standard,
      reason,
    ]),
  );

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return `${[line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
