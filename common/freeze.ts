// Makes a value and all within it unchangeable.
// In: plain data. Out: the same, frozen: what was checked once stays as it was checked.
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
