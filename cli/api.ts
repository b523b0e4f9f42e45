// Generated from both services' /openapi.json by deploy/openapi/types.ts; test/house/generated.test.ts holds it current.
// In: nothing. Out: every call of both services: its types, and where it goes. Do not edit: change the schemas, then run
// "npx vitest run test/house/generated.test.ts --update".

/** RFC 9457 problem details */
export type Problem = {
  type: string;
  title: string;
  status: number;
  /** one of the codes below; never reused for another meaning */
  code: string;
  /** what was attempted, with which value, and what was expected */
  detail: string;
  /** what to do */
  remedy: string;
  errors?: readonly {
    /** JSON pointer of the wrong field */
    pointer: string;
    detail: string;
  }[];
  /** GATE_REFUSED: the figures */
  evidence?: unknown;
  /** INTERNAL: to be found in the log */
  requestId?: string;
};

/** from Parquet to a served model; /docs/job explains every field */
export type Job = {
  $schema?: string;
  /** always 1 */
  specVersion: 1;
  /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
  name: string;
  /** of first weights and of the order of rows: the same seed gives the same bytes */
  seed?: number;
  /** URI pattern of Parquet objects; without a scheme, below the lake */
  dataset: string;
  /** rules that choose rows, in order: a row counts for the first that it fails */
  clean?: readonly (
    | {
        /** columns */
        require: readonly string[];
      }
    | {
        /** keeps rows for which this is true; NULL drops */
        filter: string;
      }
  )[];
  /** SQL; BOOLEAN: binary classification, a number: regression */
  label?: string;
  split?:
    | {
        by: 'time';
        /** a column of times */
        column: string;
        validation: string | number;
        test: string | number;
        /** rows left out before validation and before test, a duration such as "1d" */
        gap?: string;
      }
    | {
        by: 'hash';
        /** rows that agree in these stay together */
        columns: readonly string[];
        /** a fraction of the rows between 0 and 1 */
        validation: number;
        /** a fraction of the rows between 0 and 1 */
        test: number;
      };
  /** name → expression: a letter or "_", then letters, digits and "_" */
  features?: Record<string, string>;
  model?:
    | {
        kind: 'linear';
      }
    | {
        kind: 'mlp';
        /** units of each hidden layer */
        hidden: readonly number[];
        /** a category adds its row to the first layer */
        categories?: 'sum';
      };
  /** how the model learns */
  train?: {
    optimizer?: 'adam' | 'sgd';
    /** size of a step */
    learningRate?: number;
    /** sgd only */
    momentum?: number;
    /** rows per step over all lanes; a multiple of lanes */
    batchRows?: number;
    /** passes over all rows */
    epochs?: number;
    /** virtual ranks: also the most threads that can train */
    lanes?: 1 | 2 | 4 | 8 | 16 | 32 | 64;
  };
  /** what is measured on test rows beside the metrics */
  evaluate?: {
    /** columns: metrics are told for each of their values, too */
    slices?: readonly string[];
  };
  /** where the version goes: absent, the job ends with its evaluation */
  publish?: {
    /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
    model: string;
    /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
    environment?: string;
    /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
    alias?: string;
  };
};

/** where a job stands and what it has found so far */
export type JobView = {
  id: string;
  name: string;
  state: 'queued' | 'running' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled';
  /** what the gate said; a refused version is a succeeded job */
  decision: 'accepted' | 'refused' | 'none';
  /** milliseconds since 1970 */
  submittedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  error: {
    code: string;
    message: string;
    errors?: readonly {
      /** JSON pointer of the wrong field */
      pointer: string;
      detail: string;
    }[];
    /** what helps */
    remedy?: string;
  } | null;
  /** why it stands still, where it does */
  waiting: string | null;
  /** the same for scripts */
  waitingFor: {
    code:
      | 'NO_WORKER'
      | 'OTHER_NUMERICS'
      | 'MEMORY_SMALL'
      | 'TRAINING_AHEAD'
      | 'WORKERS_BUSY'
      | 'UNDELIVERED'
      | 'QUEUE_AWAY'
      | 'STORE_AWAY'
      | 'STORE_FULL'
      | 'ROOM'
      | 'OTHER_JOB';
    /** milliseconds since 1970 */
    since: number;
  } | null;
  stages: readonly {
    stage: 'prepare' | 'fit' | 'train' | 'evaluate' | 'prove' | 'survey';
    tasks: {
      done: number;
      total: number;
      reused: number;
    };
    rows: number;
    bytes: number;
    seconds: number;
    cpuSeconds: number;
    etaSeconds: number | null;
  }[];
  training: {
    round: number;
    rounds: number;
    /** binary: mean log loss; regression: mean squared error, in squared units of the label (its root is in the label's unit) */
    loss: number | null;
    rowsPerSecond: number | null;
    workers: number;
    generation: number;
  } | null;
  snapshot: {
    digest: string;
    objects: number;
    rowGroups: number;
    rows: number;
    bytes: number;
    /** objects passed over: without a byte; names that begin with "_" or "."; in a folder, not called .parquet */
    skipped?: {
      empty: number;
      hidden: number;
      foreign: number;
    };
    /** columns that not all objects have alike */
    differences?: readonly {
      column: string;
      /** objects that have no such column */
      absent: number;
      /** other types that it has in some objects */
      types: readonly string[];
      /** the first of these objects */
      object: string;
    }[];
  } | null;
  rows: {
    rowsIn: number;
    rowsOut: number;
    dropped: Record<string, number>;
  } | null;
  split: {
    train: number;
    validation: number;
    test: number;
    edges: Record<string, number | string | null>;
  } | null;
  features: readonly {
    name: string;
    expression: string;
    fitted: string;
  }[];
  epochs: readonly {
    epoch: number;
    /** on training rows, while they are learnt: binary: mean log loss; regression: mean squared error, in squared units of the label (its root is in the label's unit) */
    loss: number;
    /** on validation rows: binary: mean log loss; regression: mean squared error, in squared units of the label (its root is in the label's unit) */
    validationLoss: number | null;
    /** binary labels only; exact to 1e-4 */
    validationAuc: number | null;
  }[];
  evaluation: {
    /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
    metrics: Record<string, number>;
    /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
    baseline: Record<string, number>;
    rows: number;
    /** by column: each value with its rows and metrics, the largest first */
    slices: Record<
      string,
      readonly {
        value: string;
        rows: number;
        /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
        metrics: Record<string, number>;
      }[]
    >;
  } | null;
  proof: {
    rows: number;
    maxDifference: number;
  } | null;
  published: {
    model: string;
    version: number;
    reused: boolean;
  } | null;
  gate: {
    environment: string;
    alias: string;
    /** what the gate said; a refused version is a succeeded job */
    decision: 'accepted' | 'refused' | 'none';
    evidence: Evidence | null;
  } | null;
};

/** what a dataset looks like, by its footers and a sample */
export type DatasetView = {
  uri: string;
  objects: number;
  /** of these objects; fewer than objects: rows and rowGroups are estimated */
  footers: number;
  rowGroups: number;
  rows: number;
  bytes: number;
  /** what the figures below are made of */
  sampledRows: number;
  columns: readonly {
    name: string;
    /** as DuckDB says it: BIGINT, VARCHAR, TIMESTAMP, STRUCT(…) */
    type: string;
    /** text in the names of folders, key=value */
    from?: 'folder';
    /** why no expression can read it */
    unreadable?: string;
    /** null: no feature can read it */
    kind: 'number' | 'text' | 'time' | 'boolean' | null;
    /** sampled rows in which it is missing: NULL, NaN, infinite, a time outside years 1 to 9999 */
    nulls: number;
    /** different values in the sample: exact where a shard has at most 512 or no two shards share one, else estimated */
    distinct: number;
    /** numbers as they are (BOOLEAN: 0 and 1), times as ISO text; null for text, and where every value is missing */
    min: number | string | null;
    /** numbers as they are (BOOLEAN: 0 and 1), times as ISO text; null for text, and where every value is missing */
    max: number | string | null;
    /** of numbers and BOOLEANs */
    mean: number | null;
    /** of numbers and BOOLEANs */
    std: number | null;
    /** mean characters of text */
    lengthMean: number | null;
    /** the most frequent values, at most ten; text cut at 100 characters */
    top: readonly {
      value: number | string | boolean | null;
      count: number;
    }[];
    /** Pearson's, of numbers, BOOLEANs and times, over rows that have both */
    labelCorrelation: number | null;
    /** share of the label's variance that goes with this column alone: with each value of text and BOOLEAN, with 64 runs of different numbers and times, missing apart */
    labelExplained: number | null;
  }[];
  /** null where none was asked for */
  label: {
    expression: string;
    kind: 'binary' | 'regression';
    /** what it reads: none may be a feature */
    columns: readonly string[];
    /** sampled rows without a label */
    missing: number;
    /** binary: the share of positives */
    mean: number | null;
    std: number | null;
    min: number | null;
    max: number | null;
  } | null;
  /** a few rows, as predictions take them */
  sample: readonly Record<string, number | string | boolean | null>[];
};

/** a version: immutable; blobs are named by their SHA-256 */
export type Manifest = {
  formatVersion: 1;
  model: string;
  version: number;
  onnx: {
    sha256: string;
    bytes: number;
  };
  golden: {
    sha256: string;
    bytes: number;
  };
  report: {
    sha256: string;
    bytes: number;
  };
  signature: {
    inputs: readonly {
      name: string;
      type: 'number' | 'string' | 'time';
    }[];
    label: 'binary' | 'regression';
    codes: readonly string[];
    numbers: readonly string[];
  };
  label: {
    sql: string;
  };
  trainDigest: string;
  split: {
    /** as in the job */
    definition: unknown;
    ranges: {
      /** split keys (after, upTo]; null is open */
      train: {
        after: number | null;
        upTo: number | null;
      };
      /** split keys (after, upTo]; null is open */
      validation: {
        after: number | null;
        upTo: number | null;
      };
      /** split keys (after, upTo]; null is open */
      test: {
        after: number | null;
        upTo: number | null;
      };
    };
  };
  metrics: {
    validation: Record<string, number> | null;
    /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
    test: Record<string, number>;
  };
  /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
  baseline: Record<string, number>;
  lineage: {
    job: string;
    snapshot: string;
    /** the job, with every default filled in */
    spec: unknown;
    seed: number;
    numerics: string;
    /** milliseconds since 1970 */
    createdAt: number;
  };
  bitExact: boolean;
};

/** what a version must show before an alias may move to it */
export type GatePolicy = {
  /** metrics that are better when higher → the least that passes: {"auc": 0.65} */
  min?: Record<string, number>;
  /** metrics that are better when lower → the most that passes: {"logLoss": 0.6} */
  max?: Record<string, number>;
  /** checked where there is a champion */
  change?: {
    /** auc, logLoss, brier, accuracy, r2, mse or mae */
    metric: string;
    /** least change against the champion, positive is better; slightly negative: non-inferiority */
    min: number;
    /** the change lies above its lower bound with this confidence */
    confidence: number;
  };
};

/** what a version showed on the test set of the model */
export type Evidence = {
  testset: {
    snapshot: string;
    /** split keys (after, upTo]; null is open */
    range: {
      after: number | null;
      upTo: number | null;
    };
    rows: number;
  };
  challenger: {
    version: number;
    /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
    metrics: Record<string, number>;
  };
  champion: {
    version: number;
    /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
    metrics: Record<string, number>;
  } | null;
  comparison: {
    metric: string;
    confidence: number;
    rows: number;
    champion: number;
    challenger: number;
    change: number;
    low: number;
    high: number;
  } | null;
  policy: GatePolicy;
  verdict: 'accepted' | 'refused';
  /** what was checked, with its figures */
  checks: readonly {
    passed: boolean;
    words: string;
  }[];
  /** the same as lines */
  reasons: readonly string[];
};

/** to which version an alias shall move, and on what ground */
export type AliasMove = {
  version: number;
  /** kept with a return */
  reason?: string;
  /** moves past the gate; recorded */
  override?: {
    reason: string;
  };
};

/** what an alias serves, and the last decision on it */
export type AliasView = {
  model: string;
  environment: string;
  alias: string;
  /** number in the journal; the ETag */
  entry: number;
  /** what is served; null: only refusals so far */
  version: number | null;
  kind: 'moved' | 'refused' | 'returned' | 'overridden';
  candidate: number;
  evidence: Evidence | null;
  by: {
    job?: string;
    reason?: string;
  };
  /** milliseconds since 1970 */
  at: number;
};

/** a version on its way through the gate */
export type PromotionView = {
  id: string;
  model: string;
  environment: string;
  alias: string;
  /** that shall have the alias */
  version: number;
  /** the entry of the alias that it was asked for against */
  seen: number;
  /** milliseconds since 1970 */
  startedAt: number;
  state: 'deciding' | 'moved' | 'refused' | 'failed';
  /** once moved or refused: what the record has of it */
  entry: AliasView | null;
  /** once refused or failed: why */
  problem: Problem | null;
};

/** submits a job whenever its clock says so */
export type Trigger = {
  $schema?: string;
  /** what fires it */
  on: {
    /** minute hour day-of-month month day-of-week: "15 3 * * 1-5", or "@daily" */
    cron: string;
    /** IANA name such as "Europe/Berlin"; the cron expression is read on its clocks */
    timeZone?: string;
  };
  /** a slot whose predecessor still runs: is skipped, or waits for its end */
  overlap?: 'skip' | 'queue';
  /** slots missed while no coordinator ran: none is made up for, or the last one */
  catchUp?: 'none' | 'last';
  /** true: its slots pass without a trace */
  paused?: boolean;
  job: {
    $schema?: string;
    /** always 1 */
    specVersion: 1;
    /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
    name: string;
    /** of first weights and of the order of rows: the same seed gives the same bytes */
    seed?: number;
    /** URI pattern of Parquet objects; without a scheme, below the lake */
    dataset: string;
    /** rules that choose rows, in order: a row counts for the first that it fails */
    clean?: readonly (
      | {
          /** columns */
          require: readonly string[];
        }
      | {
          /** keeps rows for which this is true; NULL drops */
          filter: string;
        }
    )[];
    /** SQL; BOOLEAN: binary classification, a number: regression */
    label?: string;
    split?:
      | {
          by: 'time';
          /** a column of times */
          column: string;
          validation: string | number;
          test: string | number;
          /** rows left out before validation and before test, a duration such as "1d" */
          gap?: string;
        }
      | {
          by: 'hash';
          /** rows that agree in these stay together */
          columns: readonly string[];
          /** a fraction of the rows between 0 and 1 */
          validation: number;
          /** a fraction of the rows between 0 and 1 */
          test: number;
        };
    /** name → expression: a letter or "_", then letters, digits and "_" */
    features?: Record<string, string>;
    model?:
      | {
          kind: 'linear';
        }
      | {
          kind: 'mlp';
          /** units of each hidden layer */
          hidden: readonly number[];
          /** a category adds its row to the first layer */
          categories?: 'sum';
        };
    /** how the model learns */
    train?: {
      optimizer?: 'adam' | 'sgd';
      /** size of a step */
      learningRate?: number;
      /** sgd only */
      momentum?: number;
      /** rows per step over all lanes; a multiple of lanes */
      batchRows?: number;
      /** passes over all rows */
      epochs?: number;
      /** virtual ranks: also the most threads that can train */
      lanes?: 1 | 2 | 4 | 8 | 16 | 32 | 64;
    };
    /** what is measured on test rows beside the metrics */
    evaluate?: {
      /** columns: metrics are told for each of their values, too */
      slices?: readonly string[];
    };
    /** where the version goes: absent, the job ends with its evaluation */
    publish?: {
      /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
      model: string;
      /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
      environment?: string;
      /** a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit */
      alias?: string;
    };
  };
};

export type TriggerView = {
  name: string;
  /** number in the journal; the ETag */
  entry: number;
  /** with every default filled in */
  spec: {
    /** what fires it */
    on: {
      /** minute hour day-of-month month day-of-week: "15 3 * * 1-5", or "@daily" */
      cron: string;
      /** IANA name such as "Europe/Berlin"; the cron expression is read on its clocks */
      timeZone?: string;
    };
    overlap: 'skip' | 'queue';
    catchUp: 'none' | 'last';
    paused: boolean;
    /** as it was sent */
    job: unknown;
  };
  /** what fires it, in words */
  when: string;
  /** milliseconds since 1970 */
  updatedAt: number;
  /** the next slots, milliseconds since 1970, soonest first; none while paused */
  nextAt: readonly number[];
  /** the last slots, newest first */
  firings: readonly FiringView[];
};

/** what became of a slot: never changed, but for its job */
export type FiringView = {
  /** names sort by time; of a call with "-call-" in it */
  slot: string;
  /** milliseconds since 1970 */
  dueAt: number;
  /** when it was recorded, milliseconds since 1970 */
  at: number;
  kind: 'fired' | 'skipped' | 'missed';
  /** the job of an earlier slot that had not ended then */
  after: string | null;
  /** of a skipped or missed slot */
  reason?: string;
  /** of a fired slot */
  job?: string;
  /** of a fired slot: the entry of the trigger with that job */
  entry?: number;
  /** of the job; null: on its way */
  state?: 'queued' | 'running' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled' | null;
  /** of a job that failed */
  error?: {
    code: string;
    message: string;
    errors?: readonly {
      /** JSON pointer of the wrong field */
      pointer: string;
      detail: string;
    }[];
    /** what helps */
    remedy?: string;
  } | null;
};

export type CoordinatorCalls = {
  /** List jobs, newest first */
  listJobs: {
    query?: {
      /** only jobs submitted before this one: "next" of the page before */
      before?: string;
      /** only jobs submitted after this one: "previous" of the page before */
      after?: string;
      /** jobs a page: 1 to 200, 50 if not said */
      limit?: string;
    };
    answer: {
      jobs: readonly JobView[];
      /** pass as "before" for the next page; null: this was the last */
      next: number | null;
      /** pass as "after" for the page of newer jobs; null: there are none */
      previous: number | null;
    };
  };
  /** Submit a job */
  submitJob: {
    headers?: {
      /** any text of your own; quotes around it do not count */
      'idempotency-key'?: string;
    };
    body: Job;
    answer: JobView;
  };
  /** See a job */
  job: {
    path: {
      /** the job, as its Location says */
      id: string;
    };
    answer: JobView;
  };
  /** Cancel a job */
  cancelJob: {
    path: {
      /** the job, as its Location says */
      id: string;
    };
    answer: JobView;
  };
  /** Let a job go on under the numerics that live workers have */
  repinJob: {
    path: {
      /** the job, as its Location says */
      id: string;
    };
    answer: JobView;
  };
  /** Follow a job (server-sent events) */
  jobEvents: {
    path: {
      /** the job, as its Location says */
      id: string;
    };
    headers?: {
      /** number of the last fact seen */
      'last-event-id'?: string;
    };
    answer: string;
  };
  /** The JSON schema of a job, for editors and checks */
  jobSchema: {
    answer: Record<string, unknown>;
  };
  /** See what a dataset looks like */
  dataset: {
    query: {
      /** the dataset, as in a job: "flights/**\/*.parquet", relative to the lake */
      uri: string;
      /** a label, as in a job: "delay > 15"; checked, and told how it behaves */
      label?: string;
    };
    answer: DatasetView;
  };
  /** List triggers, each with its last slot and its next ones */
  triggers: {
    answer: {
      /** in order of names, each with its last slot alone */
      triggers: readonly TriggerView[];
      /** those that this program cannot read, as another one wrote them: nothing fires them until they are put anew */
      unreadable: readonly {
        name: string;
        error: {
          code: string;
          message: string;
          errors?: readonly {
            /** JSON pointer of the wrong field */
            pointer: string;
            detail: string;
          }[];
          /** what helps */
          remedy?: string;
        };
      }[];
    };
  };
  /** See a trigger: its last slots with their jobs, and its next ones */
  trigger: {
    path: {
      /** the trigger */
      name: string;
    };
    answer: TriggerView;
  };
  /** Put a trigger */
  putTrigger: {
    path: {
      /** the trigger */
      name: string;
    };
    headers?: {
      /** the ETag of a GET; "0": only where there is no such trigger */
      'if-match'?: string;
    };
    body: Trigger;
    answer: TriggerView;
  };
  /** Remove a trigger */
  removeTrigger: {
    path: {
      /** the trigger */
      name: string;
    };
    headers?: {
      /** the ETag of a GET */
      'if-match'?: string;
    };
    answer: undefined;
  };
  /** The JSON schema of a trigger, for editors and checks */
  triggerSchema: {
    answer: Record<string, unknown>;
  };
  /** Fire a trigger now */
  fireTrigger: {
    path: {
      /** the trigger */
      name: string;
    };
    headers?: {
      /** any text of your own; quotes around it do not count */
      'idempotency-key'?: string;
    };
    answer: FiringView;
  };
  /** List models */
  models: {
    query?: {
      /** "next" of the page before */
      after?: string;
      /** models a page: 1 to 200, 50 if not said */
      limit?: string;
    };
    answer: {
      /** by name */
      models: readonly {
        name: string;
        /** the newest version */
        latest: number;
        /** environment → alias → version served */
        environments: Record<string, Record<string, number | null>>;
      }[];
      /** pass as "after" for the next page; null: this was the last */
      next: string | null;
    };
  };
  /** See a model: its versions and aliases */
  model: {
    path: {
      /** the model */
      name: string;
    };
    query?: {
      /** only versions below this one: "next" of the page before */
      before?: string;
      /** versions a page: 1 to 200, 50 if not said */
      limit?: string;
    };
    answer: {
      name: string;
      environments: Record<string, Record<string, number | null>>;
      /** newest first; metrics on the test rows of its own job */
      versions: readonly {
        version: number;
        /** milliseconds since 1970 */
        createdAt: number;
        job: string;
        label: string;
        /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
        metrics: Record<string, number>;
        /** binary: logLoss, brier, accuracy, auc; regression: mse, mae, r2 */
        baseline: Record<string, number>;
        bitExact: boolean;
        modelBytes: number;
      }[];
      /** pass as "before" for the next page; null: this was the last */
      next: number | null;
    };
  };
  /** See a version: its manifest */
  version: {
    path: {
      /** the model */
      name: string;
      /** the version, from 1 */
      n: string;
    };
    answer: Manifest;
  };
  /** See the gate */
  gate: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
    };
    answer: {
      model: string;
      environment: string;
      policy: GatePolicy;
      /** true: nobody has set one */
      isDefault: boolean;
    };
  };
  /** Set the gate */
  setGate: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
    };
    body: GatePolicy;
    answer: {
      model: string;
      environment: string;
      policy: GatePolicy;
      /** true: nobody has set one */
      isDefault: boolean;
    };
  };
  /** See an alias: what it serves, and the last decision with its evidence */
  alias: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
      /** the alias */
      alias: string;
    };
    answer: AliasView;
  };
  /** Move an alias */
  moveAlias: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
      /** the alias */
      alias: string;
    };
    headers?: {
      /** the ETag of a GET; "0" where the alias does not exist yet */
      'if-match'?: string;
    };
    body: AliasMove;
    answer: AliasView | PromotionView;
  };
  /** See every decision on an alias, refusals too */
  aliasHistory: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
      /** the alias */
      alias: string;
    };
    answer: {
      /** newest first */
      entries: readonly AliasView[];
    };
  };
  /** See how far a promotion is, and what was decided */
  promotion: {
    path: {
      /** the model */
      name: string;
      /** the environment */
      env: string;
      /** the alias */
      alias: string;
      /** the promotion, as its Location says */
      id: string;
    };
    answer: PromotionView;
  };
  /** List live workers */
  workers: {
    answer: {
      workers: readonly {
        worker: string;
        host: string;
        pid: number;
        /** engines and instruction set that decide bits */
        numerics: string;
        device: 'cpu';
        threads: number;
        threadsFree: number;
        memoryBytes: number;
        tasks: readonly string[];
        runs: readonly {
          run: string;
          generation: number;
          round: number;
          lanesLoaded: readonly number[];
          phase: 'loading' | 'ready' | 'running' | 'done' | 'failed';
        }[];
        draining: boolean;
        /** milliseconds since 1970 */
        startedAt: number;
      }[];
    };
  };
  /** Is the process alive? */
  health: {
    answer: {
      status: 'ok';
      /** a sentence for people */
      detail: string;
    };
  };
  /** Can it work? 503 where it cannot, with the reason */
  readiness: {
    answer: {
      status: 'ready';
      /** a sentence for people */
      detail: string;
    };
  };
  /** Figures for Prometheus */
  metrics: {
    answer: string;
  };
};

/** Where each call goes. */
export const COORDINATOR = {
  listJobs: ['GET', '/v1/jobs'],
  submitJob: ['POST', '/v1/jobs'],
  job: ['GET', '/v1/jobs/{id}'],
  cancelJob: ['POST', '/v1/jobs/{id}/cancel'],
  repinJob: ['POST', '/v1/jobs/{id}/repin'],
  jobEvents: ['GET', '/v1/jobs/{id}/events'],
  jobSchema: ['GET', '/schemas/job.v1.json'],
  dataset: ['GET', '/v1/schema'],
  triggers: ['GET', '/v1/triggers'],
  trigger: ['GET', '/v1/triggers/{name}'],
  putTrigger: ['PUT', '/v1/triggers/{name}'],
  removeTrigger: ['DELETE', '/v1/triggers/{name}'],
  triggerSchema: ['GET', '/schemas/trigger.v1.json'],
  fireTrigger: ['POST', '/v1/triggers/{name}/fire'],
  models: ['GET', '/v1/models'],
  model: ['GET', '/v1/models/{name}'],
  version: ['GET', '/v1/models/{name}/versions/{n}'],
  gate: ['GET', '/v1/models/{name}/environments/{env}/gate'],
  setGate: ['PUT', '/v1/models/{name}/environments/{env}/gate'],
  alias: ['GET', '/v1/models/{name}/environments/{env}/aliases/{alias}'],
  moveAlias: ['PUT', '/v1/models/{name}/environments/{env}/aliases/{alias}'],
  aliasHistory: ['GET', '/v1/models/{name}/environments/{env}/aliases/{alias}/history'],
  promotion: ['GET', '/v1/models/{name}/environments/{env}/aliases/{alias}/promotions/{id}'],
  workers: ['GET', '/v1/workers'],
  health: ['GET', '/healthz'],
  readiness: ['GET', '/readyz'],
  metrics: ['GET', '/metrics'],
} as const;

export type GatewayCalls = {
  /** Predict with the version that the alias "champion" names */
  predict: {
    path: {
      /** a name of a–z, 0–9 and "-" */
      name: string;
    };
    body: {
      /** rows, up to 1000: raw column → value, times as ISO 8601 */
      instances: readonly Record<string, unknown>[];
    };
    answer: {
      /** one a row, in order: a probability, or a number in the label's unit */
      predictions: readonly number[];
      model: string;
      /** which one has answered */
      version: number;
    };
  };
  /** Predict with one version, loaded when it is asked for */
  predictVersion: {
    path: {
      /** a name of a–z, 0–9 and "-" */
      name: string;
      /** the number of a version, from 1 */
      version: string;
    };
    body: {
      /** rows, up to 1000: raw column → value, times as ISO 8601 */
      instances: readonly Record<string, unknown>[];
    };
    answer: {
      /** one a row, in order: a probability, or a number in the label's unit */
      predictions: readonly number[];
      model: string;
      /** which one has answered */
      version: number;
    };
  };
  /** Predict with the version that an alias names */
  predictAlias: {
    path: {
      /** a name of a–z, 0–9 and "-" */
      name: string;
      /** a name of a–z, 0–9 and "-" */
      alias: string;
    };
    body: {
      /** rows, up to 1000: raw column → value, times as ISO 8601 */
      instances: readonly Record<string, unknown>[];
    };
    answer: {
      /** one a row, in order: a probability, or a number in the label's unit */
      predictions: readonly number[];
      model: string;
      /** which one has answered */
      version: number;
    };
  };
  /** What is served */
  served: {
    answer: {
      environment: string;
      store: {
        uri: string;
        error: string | null;
      };
      /** Process ids of the inference children */
      children: readonly number[];
      models: readonly {
        name: string;
        aliases: readonly {
          alias: string;
          version: number | null;
          wanted: number | null;
          error: {
            code: string;
            detail: string;
          } | null;
        }[];
        versions: readonly {
          version: number;
          /** binary: a probability; regression: a number */
          label: string;
          inputs: readonly {
            name: string;
            /** number, string, or time (ISO 8601) */
            type: string;
          }[];
        }[];
      }[];
    };
  };
  /** Is the process alive? */
  health: {
    answer: {
      status: 'ok';
      /** a sentence for people */
      detail: string;
    };
  };
  /** Can it work? 503 where it cannot, with the reason */
  readiness: {
    answer: {
      status: 'ready';
      /** a sentence for people */
      detail: string;
    };
  };
  /** Figures for Prometheus */
  metrics: {
    answer: string;
  };
};

/** Where each call goes. */
export const GATEWAY = {
  predict: ['POST', '/v1/models/{name}:predict'],
  predictVersion: ['POST', '/v1/models/{name}/versions/{version}:predict'],
  predictAlias: ['POST', '/v1/models/{name}/aliases/{alias}:predict'],
  served: ['GET', '/v1/models'],
  health: ['GET', '/healthz'],
  readiness: ['GET', '/readyz'],
  metrics: ['GET', '/metrics'],
} as const;
