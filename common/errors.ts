// Every error a user or an operator can meet, as one table: whether trying again can help, the HTTP
// status, and what to do. In: a code and a message. Out: GristmillError, and its RFC 9457 form.
// Why a table: retry and status are data, never guessed from text. Codes are never reused.

export const CODES = {
  // the request
  BAD_JSON: {
    retry: false,
    status: 400,
    remedy:
      'Correct the JSON where the message points to; "predict" takes an array of rows, the rest one object',
  },
  BAD_NAME: {
    retry: false,
    status: 400,
    remedy: 'Use 1–63 of a–z, 0–9 and "-", beginning with a letter or digit',
  },
  BODY_TOO_LARGE: {
    retry: false,
    status: 413,
    remedy: 'Send at most 1 MB: a shorter job, or fewer rows',
  },
  UNSUPPORTED_MEDIA: {
    retry: false,
    status: 415,
    remedy: 'Send content-type application/json, not compressed',
  },
  SPEC_INVALID: {
    retry: false,
    status: 422,
    remedy:
      'Correct the fields that "errors" points to; /docs explains each, and jobs and triggers have schemas at /schemas/job.v1.json and /schemas/trigger.v1.json',
  },
  IDEMPOTENCY_MISMATCH: {
    retry: false,
    status: 422,
    remedy: 'Use a new Idempotency-Key for another job',
  },
  NOT_FOUND: {
    retry: false,
    status: 404,
    remedy: 'Use a name that the message gives, or list what there is',
  },
  PATH_UNKNOWN: {
    retry: false,
    status: 404,
    remedy: 'Ask for a path that the message names, or that /docs lists',
  },
  METHOD_UNKNOWN: {
    retry: false,
    status: 405,
    remedy: 'Use one of the methods listed in the message',
  },
  CONFLICT: { retry: false, status: 409, remedy: 'Read the current state and decide again' },
  PRECONDITION_REQUIRED: {
    retry: false,
    status: 428,
    remedy: 'Send If-Match with the ETag that a GET of the same path shows',
  },
  PRECONDITION_FAILED: {
    retry: false,
    status: 412,
    remedy: 'Read it again and decide anew: somebody changed it meanwhile',
  },
  // the command line
  USAGE: { retry: false, status: 400, remedy: 'See the command with --help' },
  FILE_UNREADABLE: {
    retry: false,
    status: 400,
    remedy: 'Name a file that is there; "-" is standard input',
  },
  FILE_EXISTS: {
    retry: false,
    status: 400,
    remedy: 'Use --force to write over it, or another --name or --out',
  },
  FILE_UNWRITABLE: {
    retry: false,
    status: 400,
    remedy: 'Name another folder with --out',
  },
  SERVER_UNREACHABLE: {
    retry: true,
    status: 503,
    remedy: 'Start a cluster with "gristmill up", or say where it runs',
  },
  // SQL in specs
  SQL_SYNTAX: { retry: false, status: 422, remedy: 'Correct the expression at the position given' },
  SQL_REFUSED: {
    retry: false,
    status: 422,
    remedy: 'Use plain scalar SQL over the columns of the dataset',
  },
  SQL_COLUMN: { retry: false, status: 422, remedy: 'Use one of the columns listed' },
  SQL_TYPE: {
    retry: false,
    status: 422,
    remedy: 'Cast the value, or choose a function for this type',
  },
  SQL_RUNTIME: {
    retry: false,
    status: 422,
    remedy: 'Guard the expression against the rows that make it fail',
  },
  NON_DETERMINISTIC: {
    retry: false,
    status: 422,
    remedy: 'Leave out functions whose answer changes between calls',
  },
  FEATURE_UNSERVABLE: {
    retry: false,
    status: 422,
    remedy: 'Use the functions that exist in both batch and serving',
  },
  // a job written from what a dataset looks like
  INIT_IMPOSSIBLE: {
    retry: false,
    status: 422,
    remedy:
      'Choose another label or dataset, or write the job by hand: its schema is at /schemas/job.v1.json',
  },
  // data
  INPUT_EMPTY: { retry: false, status: 422, remedy: 'Check the dataset pattern and the lake' },
  INPUT_PATTERN: { retry: false, status: 422, remedy: 'Write a shorter dataset pattern' },
  INPUT_OUTSIDE: { retry: false, status: 422, remedy: 'Name a dataset under the configured lake' },
  TABLE_FORMAT: {
    retry: false,
    status: 422,
    remedy:
      'Write the table out as plain Parquet, with the tool that keeps it, and name that folder',
  },
  INPUT_CHANGED: {
    retry: false,
    status: 409,
    remedy: 'Submit again: the job takes a new snapshot',
  },
  INPUT_MISSING: {
    retry: false,
    status: 422,
    remedy: 'Submit again: the job takes a new snapshot, without the object that is gone',
  },
  SHARD_UNREADABLE: {
    retry: false,
    status: 422,
    remedy: 'Replace or remove the object named: it is not sound Parquet',
  },
  SCHEMA_DRIFT: {
    retry: false,
    status: 422,
    remedy:
      'Leave that column unread, cast it where it is written, or name the files of each type as a dataset of their own',
  },
  PLAN_TOO_LARGE: { retry: false, status: 422, remedy: 'Name fewer objects, or larger ones' },
  ROWS_NONE: {
    retry: false,
    status: 422,
    remedy: 'Loosen the clean rules: the counts say which one took the rows',
  },
  SPLIT_EMPTY: {
    retry: false,
    status: 422,
    remedy:
      'Choose shorter durations ("6h", "30m") or fractions for validation and test, or filter out rows with wrong times',
  },
  LABEL_CONSTANT: {
    retry: false,
    status: 422,
    remedy: 'Choose a label that has both classes, or several values, in the training rows',
  },
  LABEL_RANGE: {
    retry: false,
    status: 422,
    remedy: 'Subtract a constant from the label, or scale it: "(price - 1e9) / 1e3"',
  },
  FEATURE_MISSING: {
    retry: false,
    status: 422,
    remedy: 'Wrap the feature in impute(…) or coalesce(…)',
  },
  // training, proof, registry
  NONFINITE_LOSS: {
    retry: false,
    status: 422,
    remedy: 'Lower train.learningRate, or standardize the features',
  },
  STATE_DIVERGED: {
    retry: false,
    status: 500,
    remedy: 'Report this: two workers of the same numerics computed different bits',
  },
  PROOF_FAILED: {
    retry: false,
    status: 422,
    remedy: 'Report this with the row and feature named: batch and serving differ',
  },
  GATE_REFUSED: {
    retry: false,
    status: 409,
    remedy: 'Read the evidence; "override" with a reason moves the alias all the same',
  },
  TESTSET_INCOMPARABLE: {
    retry: false,
    status: 422,
    remedy: 'Keep clean, label and split of the model, or publish to another model or environment',
  },
  MODEL_INVALID: {
    retry: false,
    status: 422,
    remedy: 'Publish the version again: its file does not load',
  },
  ROW_INVALID: {
    retry: false,
    status: 422,
    remedy: 'Send every raw column with its type, or null',
  },
  REQUEST_INVALID: {
    retry: false,
    status: 422,
    remedy: 'Correct the fields that "errors" points to; the schemas are at /openapi.json',
  },
  PREDICTION_NONFINITE: {
    retry: false,
    status: 500,
    remedy: 'Look at the row named for absurd values, or move the alias back to an earlier version',
  },
  OVERLOADED: {
    retry: true,
    status: 503,
    remedy: 'Ask again in a moment, send smaller batches, or start another gateway',
  },
  NOT_READY: {
    retry: true,
    status: 503,
    remedy: 'Ask again in a moment; where no version has the alias yet, publish one and move it',
  },
  // the machinery
  TASK_FAILED: { retry: false, status: 500, remedy: 'Read the cause of the last attempt' },
  DEADLINE: {
    retry: true,
    status: 504,
    remedy: 'None for a task: it is tried again; send a request again, with fewer rows',
  },
  CHILD_LOST: {
    retry: true,
    status: 503,
    remedy: 'None: a new process takes over; where each is lost, read the log for what ends them',
  },
  MEMORY: {
    retry: true,
    status: 503,
    remedy: 'Give workers more memory, or make row groups smaller',
  },
  SCRATCH_FULL: {
    retry: true,
    status: 503,
    remedy: 'Free disk space under GRISTMILL_SCRATCH of the worker named',
  },
  NOT_WORKING: {
    retry: true,
    status: 503,
    remedy: 'None: it starts or stops, and others carry on meanwhile',
  },
  WORKERS_NONE: {
    retry: true,
    status: 503,
    remedy: 'Start a worker: gristmill worker, or all of a cluster: gristmill up',
  },
  WORKERS_BUSY: {
    retry: true,
    status: 503,
    remedy: 'Ask again in a moment: what was done is kept; or start another worker',
  },
  WORKER_LOST: { retry: true, status: 503, remedy: 'None: another worker carries on' },
  CANCELLED: { retry: false, status: 409, remedy: 'None: the job was cancelled' },
  STORE_UNAVAILABLE: {
    retry: true,
    status: 503,
    remedy:
      'Check that the object store runs at the address named, or that the folder named is there',
  },
  STORE_UNSAFE: {
    retry: false,
    status: 500,
    remedy: 'Use a store that refuses a second create-only put (If-None-Match: *)',
  },
  STORE_DENIED: {
    retry: false,
    status: 500,
    remedy: 'Check the AWS_* credentials and the bucket policy',
  },
  STORE_FULL: {
    retry: true,
    status: 507,
    remedy: 'Free space in the object store',
  },
  CHECKSUM_MISMATCH: {
    retry: true,
    status: 500,
    remedy: 'Send the job again: what rotted is computed or copied anew; check the disk',
  },
  QUEUE_UNAVAILABLE: {
    retry: true,
    status: 503,
    remedy: 'Start nats-server, or set GRISTMILL_NATS to its address',
  },
  CONFIG_INVALID: {
    retry: false,
    status: 500,
    remedy: 'Correct the setting named; --help lists them',
  },
  PORT_TAKEN: {
    retry: false,
    status: 500,
    remedy: 'Choose another port, or stop the process that listens there',
  },
  FORMAT_UNKNOWN: {
    retry: false,
    status: 500,
    remedy: 'Use the gristmill version that wrote this object, or a newer one',
  },
  INTERNAL: { retry: false, status: 500, remedy: 'Report this with the message and the log' },
} as const satisfies Record<string, { retry: boolean; status: number; remedy: string }>;

export type Code = keyof typeof CODES;

/** One wrong field: where (JSON pointer) and why. */
export type FieldError = { readonly pointer: string; readonly detail: string };

export class GristmillError extends Error {
  readonly code: Code;
  readonly errors: readonly FieldError[] | undefined;
  constructor(
    code: Code,
    message: string,
    options?: ErrorOptions & { errors?: readonly FieldError[] },
  ) {
    super(message, options);
    this.name = 'GristmillError';
    this.code = code;
    this.errors = options?.errors;
  }
}

/** Says of an error thrown by `act` which field of the request it is about, unless it says so itself. */
export function atPointer<T>(pointer: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw pointedAt(pointer, error);
  }
}

export function pointedAt(pointer: string, error: unknown): unknown {
  if (!(error instanceof GristmillError) || error.errors) return error;
  const errors = [{ pointer, detail: error.message }];
  return new GristmillError(error.code, error.message, { cause: error, errors });
}

/** The form in which an error crosses NATS, IPC and the store; stacks stay in the log. */
export type WireError = {
  readonly code: Code;
  readonly message: string;
  readonly errors?: readonly FieldError[];
};

export function toWireError(error: unknown): WireError {
  if (error instanceof GristmillError) {
    const errors = error.errors ? { errors: error.errors } : {};
    return { code: error.code, message: error.message, ...errors };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

export function fromWireError(wire: WireError): GristmillError {
  return new GristmillError(wire.code, wire.message, wire.errors ? { errors: wire.errors } : {});
}

/** RFC 9457 problem details. */
export function toProblem(error: unknown): Record<string, unknown> & { status: number } {
  const wire = toWireError(error);
  const { status, remedy } = CODES[wire.code];
  return {
    type: 'about:blank',
    title: wire.code.toLowerCase().replaceAll('_', ' '),
    status,
    code: wire.code,
    detail: wire.message,
    remedy,
    ...(wire.errors ? { errors: wire.errors } : {}),
  };
}

export const isRetryable = (error: unknown): boolean =>
  error instanceof GristmillError ? CODES[error.code].retry : false;

export const unreachable = (x: never): never => {
  throw new GristmillError('INTERNAL', `Unhandled case: ${JSON.stringify(x)}`);
};

/** The known name that `name` is most likely a misspelling of, or undefined (edit distance). */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (!best || distance < best.distance) best = { name: candidate, distance };
  }
  const near = Math.min(Math.max(2, Math.floor(name.length / 3)), name.length - 1);
  return best && best.distance <= near ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitute));
    }
    previous = row;
  }
  return previous[b.length]!;
}
