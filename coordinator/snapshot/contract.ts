// One schema for all objects of a dataset, and what each of them has otherwise.
// In: the columns of each object's footer, and its key. Out: columns with the type that holds all; by object, what differs.
// Why by column: a column that nobody reads must not stop a job, so what cannot be told apart or widened is kept with its
// reason, and refused only where an expression reads it.
import { foldersOf } from '../../common/folders.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { NO_TYPE, widen } from './widen.ts';

/** A column of a file's own footer. */
export type FileColumn = Pick<SchemaColumn, 'name' | 'type' | 'unreadable'>;

/** By column, where an object has it otherwise than the schema says: its own type, or null where it has none. */
export type OwnTypes = Readonly<Record<string, string | null>>;

type Column = {
  /** Each type that it has, and the first object that has it so. */
  readonly types: Map<string, string>;
  unreadable?: string;
};

/** Adds objects one after the other; `schema` holds once all are in. */
export class Contract {
  readonly #columns = new Map<string, Column>();
  readonly #folders = new Set<string>();

  /** An object without rows says nothing of types: writers give it whatever they like. */
  add(key: string, columns: readonly FileColumn[], { isEmpty }: { isEmpty: boolean }): void {
    for (const name of foldersOf(key).keys()) this.#folders.add(name);
    for (const { name, type, unreadable } of columns) {
      const column: Column = this.#columns.get(name) ?? { types: new Map() };
      this.#columns.set(name, column);
      const said = isEmpty ? NO_TYPE : type;
      if (!column.types.has(said)) column.types.set(said, key);
      if (unreadable !== undefined) column.unreadable ??= unreadable;
    }
  }

  /** Columns of files in the order in which they are met first, then those of folders that no file has. */
  get schema(): readonly SchemaColumn[] {
    const files = [...this.#columns].map(([name, { types, unreadable }]) => ({
      name,
      ...(unreadable === undefined ? typeOf(types) : { type: [...types.keys()][0]!, unreadable }),
    }));
    const folders = [...this.#folders]
      .filter((name) => !this.#columns.has(name))
      .map((name) => ({ name, type: 'VARCHAR', from: 'folder' as const }));
    return [...files, ...folders];
  }
}

/** The type that holds all; by the set of types alone, in whatever order objects come. */
function typeOf(types: ReadonlyMap<string, string>): Pick<SchemaColumn, 'type' | 'unreadable'> {
  let type = NO_TYPE;
  for (const next of [...types.keys()].sort()) {
    const wider = widen(type, next);
    if (wider === undefined) return { type: [...types.keys()][0]!, unreadable: clash(types) };
    type = wider;
  }
  return { type: type === NO_TYPE ? 'INTEGER' : type };
}

/** Names two objects. */
function clash(types: ReadonlyMap<string, string>): string {
  const [[first, firstKey], ...others] = [...types] as [[string, string], ...[string, string][]];
  const [type, key] = others.find(([other]) => widen(first, other) === undefined) ?? others[0]!;
  return `it is ${first} in ${firstKey} and ${type} in ${key}, expected types of which one holds all values of the other`;
}

/** What an object has otherwise than the schema says; undefined where nothing is. */
export function ownTypes(
  schema: readonly SchemaColumn[],
  columns: readonly FileColumn[],
): OwnTypes | undefined {
  const own = new Map(columns.map(({ name, type }) => [name, type]));
  const differs = schema.flatMap(({ name, type, from }) =>
    from === 'folder' || own.get(name) === type ? [] : [[name, own.get(name) ?? null] as const],
  );
  return differs.length > 0 ? Object.fromEntries(differs) : undefined;
}
