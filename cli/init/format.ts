// A job as JSON that a person edits: short things on one line, each section and each feature on its own.
// In: a JSON value. Out: text.
// Why not JSON.stringify: it gives a batch size and four numbers of layers a line each.

/** Objects and arrays inside the document that fit into this many columns stand on one line. */
const LINE_MAX = 92;

/** `open` names members that are never put on one line: one feature a line, however few. */
export function formatJson(value: unknown, open: readonly string[] = []): string {
  return `${write(value, '', true, open)}\n`;
}

function write(value: unknown, indent: string, isOpen: boolean, open: readonly string[]): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const line = inline(value);
  if (!isOpen && indent.length + line.length <= LINE_MAX) return line;
  const inner = `${indent}  `;
  const members = Array.isArray(value)
    ? value.map((item) => `${inner}${write(item, inner, false, open)}`)
    : entriesOf(value).map(
        ([key, item]) =>
          `${inner}${JSON.stringify(key)}: ${write(item, inner, open.includes(key), open)}`,
      );
  const [first, last] = Array.isArray(value) ? '[]' : '{}';
  return members.length === 0 ? line : `${first}\n${members.join(',\n')}\n${indent}${last}`;
}

const entriesOf = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, item]) => item !== undefined);

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  const members = entriesOf(value).map(([key, item]) => `${JSON.stringify(key)}: ${inline(item)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
