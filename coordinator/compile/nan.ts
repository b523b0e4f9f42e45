// Where an author's SQL can meet what is not a number: terms whose NaN would be compared, chosen by or written as text.
// In: a checked tree. Out: its terms that may be NaN and whose parent does not merely pass it on.
// Why not every term: NULL and NaN go through arithmetic alike, and each guard writes its term twice. Columns are guarded
// where they are read; here it is about what is computed: 0/0, infinity − infinity, a text cast to DOUBLE, a field of a struct.
import { childrenOf, type Expr } from './ast.ts';

/** Answers with one of its arguments, or with whether it is missing, instead of computing with them. */
const CHOOSES: ReadonlySet<string> = new Set([
  'greatest',
  'least',
  'if',
  'ifnull',
  'nullif',
  'isnan',
]);
const FLOATS: ReadonlySet<string> = new Set(['FLOAT', 'DOUBLE']);

export const isFloatType = (type: string): boolean => FLOATS.has(type);

/** Parents first. What they are is for a binder to say: only terms of FLOAT or DOUBLE need a guard. */
export function* suspects(expr: Expr): Generator<Expr> {
  for (const child of childrenOf(expr)) {
    if (!passesOn(expr) && isComputed(child)) yield child;
    yield* suspects(child);
  }
}

function passesOn(parent: Expr): boolean {
  if (parent.kind === 'call') return !CHOOSES.has(parent.name);
  return parent.kind === 'cast' && FLOATS.has(parent.type);
}

/** A plain column holds no NaN any more, a constant never did. */
function isComputed({ kind, ...expr }: Expr): boolean {
  if (kind === 'column') return (expr as Extract<Expr, { kind: 'column' }>).path.length > 1;
  return kind === 'call' || kind === 'cast' || kind === 'case' || kind === 'coalesce';
}
