// JSON as a person would lay it out: what fits in a line stands in one.
// In: a JSON value. Out: text, two spaces a level.
// Why not JSON.stringify's own: ["a", "b"] over four lines hides a job's shape.

export function prettyJson(value: unknown, width = 88, indent = ''): string {
  const flat = flatJson(value);
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= width) {
    return flat;
  }
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) => inner + prettyJson(item, width, inner));
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  const fields = entriesOf(value).map(
    ([key, item]) => `${inner}${JSON.stringify(key)}: ${prettyJson(item, width, inner)}`,
  );
  return `{\n${fields.join(',\n')}\n${indent}}`;
}

function flatJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flatJson).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = entriesOf(value).map(([key, item]) => `${JSON.stringify(key)}: ${flatJson(item)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

const entriesOf = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, item]) => item !== undefined);
