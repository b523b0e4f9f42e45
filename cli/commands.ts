// Every command, once, as data: help, completion, parsing, docs and tests are derived from this table.
// In: nothing. Out: COMMANDS.
// Why `load`: what a command needs is read when it runs, so that --help is quick.
import { DEFAULT_ALIAS, DEFAULT_ENVIRONMENT } from '../common/wire/environment.ts';
import type { Run } from './context.ts';

/** What a word of the command line names: the shell completes it. */
export type Names = 'file' | 'folder' | 'job' | 'model' | 'trigger';

export type Argument = {
  /** As help shows it: FILE. */
  readonly name: string;
  readonly help: string;
  readonly names?: Names;
  readonly isOptional?: boolean;
  /** One or more. */
  readonly isMany?: boolean;
};

export type Option = {
  /** In kebab-case, without dashes; run() gets it in camelCase. */
  readonly name: string;
  /** As help shows the value: DIR. Without one the option is a flag. */
  readonly value?: string;
  readonly help: string;
  readonly standard?: string;
  readonly whole?: { readonly min: number; readonly max: number };
  readonly isRequired?: boolean;
  readonly names?: Names;
};

export type Server = 'coordinator' | 'gateway';

export type Command = {
  readonly path: readonly [string] | readonly [string, string];
  readonly summary: string;
  /** More of help, after the options. */
  readonly details?: string;
  readonly arguments?: readonly Argument[];
  readonly options?: readonly Option[];
  /** Whose address it asks for. */
  readonly asks?: readonly Server[];
  /** A command line that works: tests run it. */
  readonly example: string;
  /** It has no --json: it prints what a shell or a supervisor reads. */
  readonly isPlain?: boolean;
  /** It ends by itself at SIGINT and SIGTERM. */
  readonly ownsSignals?: boolean;
  /** run() is called for --help too, with `help: true`, and adds to it: settings of a role. */
  readonly ownsHelp?: boolean;
  readonly load: () => Promise<{ readonly run: Run<never> }>;
};

const environment: Option = {
  name: 'environment',
  value: 'NAME',
  help: 'the environment',
  standard: DEFAULT_ENVIRONMENT,
};
const alias: Option = { name: 'alias', value: 'NAME', help: 'the alias', standard: DEFAULT_ALIAS };
const ids = [
  { name: 'JOB', help: 'the id that submit printed, or the start of one', names: 'job' },
] as const;
const model = { name: 'NAME', help: 'the model', names: 'model' } as const;
const trigger = { name: 'NAME', help: 'the trigger', names: 'trigger' } as const;
const port = { min: 0, max: 65_535 } as const;
const role = { isPlain: true, ownsSignals: true, ownsHelp: true } as const;

/** In the order of help. */
export const COMMANDS: readonly Command[] = [
  {
    path: ['up'],
    summary: 'Start a cluster on this machine: queue, coordinator, workers, gateway',
    options: [
      { name: 'lake', value: 'DIR', help: 'the folder in which datasets lie', names: 'folder' },
      {
        name: 'workers',
        value: 'N',
        help: 'worker processes',
        whole: { min: 1, max: 64 },
      },
      {
        name: 'store',
        value: 'URI',
        help: 'where results last: file:///folder, s3://bucket/prefix, or "minio" for one of its own',
      },
      { name: 'port', value: 'N', help: 'port of the coordinator', whole: port },
      { name: 'gateway-port', value: 'N', help: 'port of the gateway', whole: port },
      { name: 'detach', help: 'come back once everything answers; "gristmill down" ends it' },
    ],
    example: 'gristmill up --lake ./data --detach',
    ownsSignals: true,
    load: () => import('./commands/up.ts'),
  },
  {
    path: ['down'],
    summary: 'End what "up --detach" left running',
    example: 'gristmill down',
    load: () => import('./commands/down.ts'),
  },
  {
    path: ['init'],
    summary: 'Look at a dataset and write a job that runs on it as it is',
    arguments: [
      { name: 'URI', help: "a pattern of Parquet objects below the lake: 'trips/*.parquet'" },
    ],
    options: [
      {
        name: 'label',
        value: 'EXPR',
        help: 'what to predict, in SQL: a BOOLEAN (classification) or a number (regression)',
        isRequired: true,
      },
      { name: 'name', value: 'NAME', help: 'of the job and of its model; from URI if not said' },
      {
        name: 'out',
        value: 'FOLDER',
        help: 'where NAME.job.json and NAME.rows.json are written',
        standard: '.',
        names: 'folder',
      },
      { name: 'force', help: 'write over files that are there' },
    ],
    asks: ['coordinator'],
    example: "gristmill init 'trips/*.parquet' --label late",
    load: () => import('./commands/init.ts'),
  },
  {
    path: ['job', 'submit'],
    summary: 'Submit a job',
    details: `Exit codes: 0 accepted or done, 1 failed or cancelled, 2 something to correct in the command or in FILE,
3 refused by the gate. Without --watch: 0 once the job is durable.`,
    arguments: [{ name: 'FILE', help: 'the job as JSON; "-" is standard input', names: 'file' }],
    options: [
      { name: 'watch', help: 'show it live and end with it; Ctrl-C leaves the job running' },
      {
        name: 'idempotency-key',
        value: 'KEY',
        help: 'sent again with the same KEY, a job is the same job',
      },
    ],
    asks: ['coordinator'],
    example: 'gristmill job submit trips.job.json --watch',
    load: async () => ({ run: (await import('./commands/job.ts')).submit }),
  },
  {
    path: ['job', 'list'],
    summary: 'List jobs, newest first',
    options: [
      {
        name: 'limit',
        value: 'N',
        help: 'at most so many',
        standard: '20',
        whole: { min: 1, max: 200 },
      },
    ],
    asks: ['coordinator'],
    example: 'gristmill job list --limit 5',
    load: async () => ({ run: (await import('./commands/job.ts')).list }),
  },
  {
    path: ['job', 'show'],
    summary: 'Show everything about a job: rows, features, epochs, metrics, gate, error',
    arguments: ids,
    asks: ['coordinator'],
    example: 'gristmill job show j-7f3a',
    load: async () => ({ run: (await import('./commands/job.ts')).show }),
  },
  {
    path: ['job', 'watch'],
    summary: 'Show a job live; ends with it',
    details: 'Exit codes: 0 accepted or done, 1 failed or cancelled, 3 refused by the gate.',
    arguments: ids,
    asks: ['coordinator'],
    example: 'gristmill job watch j-7f3a',
    load: async () => ({ run: (await import('./commands/job.ts')).watch }),
  },
  {
    path: ['job', 'logs'],
    summary: 'Print the facts of a job with their times, as its journal has them',
    arguments: ids,
    options: [{ name: 'follow', help: 'go on until the job has ended' }],
    asks: ['coordinator'],
    example: 'gristmill job logs j-7f3a',
    load: async () => ({ run: (await import('./commands/job.ts')).logs }),
  },
  {
    path: ['job', 'cancel'],
    summary: 'Cancel a job; what it has computed stays',
    arguments: ids,
    asks: ['coordinator'],
    example: 'gristmill job cancel j-7f3a',
    load: async () => ({ run: (await import('./commands/job.ts')).cancel }),
  },
  {
    path: ['job', 'repin'],
    summary: 'Let a job go on that waits for numerics nobody has any more, after an upgrade',
    details: `It is planned again from the same rows, under the numerics that most live workers have; what it had computed
is computed anew. A job that waits for nothing of this kind is refused.`,
    arguments: ids,
    asks: ['coordinator'],
    example: 'gristmill job repin j-7f3a',
    load: async () => ({ run: (await import('./commands/job.ts')).repin }),
  },
  {
    path: ['model', 'list'],
    summary: 'List models and what their aliases serve',
    asks: ['coordinator'],
    example: 'gristmill model list',
    load: async () => ({ run: (await import('./commands/model.ts')).list }),
  },
  {
    path: ['model', 'show'],
    summary: 'Show the versions of a model with their metrics, and its aliases',
    arguments: [model],
    asks: ['coordinator'],
    example: 'gristmill model show trips',
    load: async () => ({ run: (await import('./commands/model.ts')).show }),
  },
  {
    path: ['model', 'gate'],
    summary: 'Show what a version must prove before an alias moves to it, or set that from FILE',
    arguments: [
      model,
      {
        name: 'FILE',
        help: 'the policy as JSON; "-" is standard input',
        names: 'file',
        isOptional: true,
      },
    ],
    options: [environment],
    asks: ['coordinator'],
    example: 'gristmill model gate trips trips.gate.json',
    load: async () => ({ run: (await import('./commands/model.ts')).gate }),
  },
  {
    path: ['model', 'rollback'],
    summary: 'Move an alias back to a version that it has named before',
    arguments: [model],
    options: [
      {
        name: 'to',
        value: 'VERSION',
        help: 'the version; the one before if not said',
        whole: { min: 1, max: 999_999_999 },
      },
      environment,
      alias,
      { name: 'reason', value: 'TEXT', help: 'kept in the record' },
    ],
    asks: ['coordinator'],
    example: "gristmill model rollback trips --reason 'complaints since noon'",
    load: async () => ({ run: (await import('./commands/model.ts')).rollback }),
  },
  {
    path: ['trigger', 'apply'],
    summary: 'Create triggers or change them to what files say',
    details:
      'FILE holds {"name": "nightly", "on": {"cron": "15 3 * * *", "timeZone": "Europe/Berlin"}, "job": {…}}.',
    arguments: [
      {
        name: 'FILE',
        help: 'a trigger as JSON; "-" is standard input',
        names: 'file',
        isMany: true,
      },
    ],
    asks: ['coordinator'],
    example: 'gristmill trigger apply nightly.trigger.json',
    load: async () => ({ run: (await import('./commands/trigger.ts')).apply }),
  },
  {
    path: ['trigger', 'list'],
    summary: 'List triggers with their last and next slots',
    asks: ['coordinator'],
    example: 'gristmill trigger list',
    load: async () => ({ run: (await import('./commands/trigger.ts')).list }),
  },
  {
    path: ['trigger', 'show'],
    summary: 'Show a trigger: its schedule, and what became of its last slots',
    arguments: [trigger],
    asks: ['coordinator'],
    example: 'gristmill trigger show nightly',
    load: async () => ({ run: (await import('./commands/trigger.ts')).show }),
  },
  {
    path: ['trigger', 'fire'],
    summary: 'Fire a trigger now, beside its schedule',
    arguments: [trigger],
    asks: ['coordinator'],
    example: 'gristmill trigger fire nightly',
    load: async () => ({ run: (await import('./commands/trigger.ts')).fire }),
  },
  {
    path: ['trigger', 'pause'],
    summary: 'Let the slots of a trigger pass, until it is resumed',
    arguments: [trigger],
    asks: ['coordinator'],
    example: 'gristmill trigger pause nightly',
    load: async () => ({ run: (await import('./commands/trigger.ts')).pause }),
  },
  {
    path: ['trigger', 'resume'],
    summary: 'Take up the slots of a paused trigger, from now on',
    arguments: [trigger],
    asks: ['coordinator'],
    example: 'gristmill trigger resume nightly',
    load: async () => ({ run: (await import('./commands/trigger.ts')).resume }),
  },
  {
    path: ['trigger', 'remove'],
    summary: 'Remove a trigger; its jobs stay',
    arguments: [trigger],
    asks: ['coordinator'],
    example: 'gristmill trigger remove nightly',
    load: async () => ({ run: (await import('./commands/trigger.ts')).remove }),
  },
  {
    path: ['workers'],
    summary: 'List the workers that are alive, and what they do',
    asks: ['coordinator'],
    example: 'gristmill workers',
    load: () => import('./commands/workers.ts'),
  },
  {
    path: ['predict'],
    summary: 'Predict rows with a served model',
    arguments: [
      model,
      {
        name: 'ROWS',
        help: 'a JSON array of rows, or {"instances": […]}; "-" is standard input',
        names: 'file',
      },
    ],
    options: [
      { ...alias, help: 'the alias whose version answers' },
      {
        name: 'version',
        value: 'N',
        help: 'this version, whatever aliases say',
        whole: { min: 1, max: 999_999_999 },
      },
    ],
    asks: ['gateway'],
    example: 'gristmill predict trips trips.rows.json',
    load: () => import('./commands/predict.ts'),
  },
  {
    path: ['coordinator'],
    summary: 'Run a coordinator alone, for a container or a service',
    example: 'gristmill coordinator',
    ...role,
    load: () => import('./commands/role.ts'),
  },
  {
    path: ['worker'],
    summary: 'Run a worker alone, for a container or a service',
    example: 'gristmill worker',
    ...role,
    load: () => import('./commands/role.ts'),
  },
  {
    path: ['gateway'],
    summary: 'Run a gateway alone, for a container or a service',
    example: 'gristmill gateway',
    ...role,
    load: () => import('./commands/role.ts'),
  },
  {
    path: ['health'],
    summary: 'Ask the process of this container whether it is alive',
    details: 'Asks http://127.0.0.1:$GRISTMILL_PORT/healthz. Exit codes: 0 alive, 1 not.',
    example: 'gristmill health',
    isPlain: true,
    load: () => import('./commands/health.ts'),
  },
  {
    path: ['completion'],
    summary: 'Print a script that completes commands, options and names in a shell',
    details: `bash: source <(gristmill completion bash)
zsh:  source <(gristmill completion zsh)
fish: gristmill completion fish | source`,
    arguments: [{ name: 'SHELL', help: 'bash, zsh or fish' }],
    example: 'gristmill completion bash',
    isPlain: true,
    load: () => import('./commands/completion.ts'),
  },
];

/** Words about each first word that has subcommands. */
export const GROUPS: Readonly<Record<string, string>> = {
  job: 'Submit jobs, see them, follow them, cancel them',
  model: 'Versions, gates and aliases of models',
  trigger: 'Jobs that submit themselves on a schedule',
};
