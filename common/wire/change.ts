// What has changed in a view since it was last sent, and the view after it.
// In: two views, or a view and a change. Out: a change that names only fields that differ, or the view it leads to.
// Why not whole views: five a second, each with all slices and evidence, cost more than the work they tell of.
//
//   set      fields of the view with their new values, each whole
//   append   lists that have grown at their end: only what is new
//
// A field that neither names is as it was. null is a value like any other, and no field ever goes away.

export type Change<T extends object> = {
  readonly set: Partial<T>;
  readonly append: { readonly [K in keyof T]?: readonly unknown[] };
};

/** Undefined where nothing differs. */
export function changeOf<T extends object>(before: T, after: T): Change<T> | undefined {
  const set: Partial<T> = {};
  const append: { [K in keyof T]?: readonly unknown[] } = {};
  for (const name of Object.keys(after) as (keyof T)[]) {
    const [old, now] = [before[name], after[name]];
    if (isSame(old, now)) continue;
    const tail = grownBy(old, now);
    if (tail) append[name] = tail;
    else set[name] = now;
  }
  const names = Object.keys(set).length + Object.keys(append).length;
  return names === 0 ? undefined : { set, append };
}

export function applyChange<T extends object>(view: T, { set, append }: Change<T>): T {
  const next: T = { ...view, ...set };
  for (const name of Object.keys(append) as (keyof T)[]) {
    const before = Array.isArray(next[name]) ? (next[name] as unknown[]) : [];
    next[name] = [...before, ...(append[name] ?? [])] as T[keyof T];
  }
  return next;
}

const isSame = (a: unknown, b: unknown): boolean => a === b || textOf(a) === textOf(b);
const textOf = (value: unknown): string | undefined => JSON.stringify(value);

/** What a list has more than it had, where all that it had is still there. */
function grownBy(old: unknown, now: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(old) || !Array.isArray(now) || old.length === 0 || now.length <= old.length)
    return undefined;
  return old.every((item, i) => isSame(item, now[i])) ? now.slice(old.length) : undefined;
}
