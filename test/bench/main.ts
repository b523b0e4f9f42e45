// `npm run bench -- NAME [--json]`: runs one benchmark of this folder.
// In: a name, which is a file's name here. Out: figures in words; with --json one line {bench, figures, ratios} last.
// Why by file name: a benchmark is added by adding its file. It exports `runBench`, or does all by itself when loaded.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, BenchResult } from './bench.ts';

const names = (await readdir(import.meta.dirname))
  .filter((name) => name.endsWith('.ts') && name !== 'main.ts' && name !== 'bench.ts')
  .map((name) => name.replace(/\.ts$/, ''));

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    strict: false,
    options: { json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  const [name] = positionals;
  if (values.help || name === undefined || !names.includes(name)) {
    const wrong = name !== undefined && !values.help;
    const text = `${wrong ? `error: there is no benchmark ${name}\n` : ''}npm run bench -- NAME [--json]   NAME: ${names.join(', ') || 'none yet'}\n`;
    process[wrong ? 'stderr' : 'stdout'].write(text);
    return wrong || name === undefined ? 1 : 0;
  }
  const say = (line: string): void => {
    (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  process.argv.splice(process.argv.indexOf(name), 1); // the benchmark sees its own arguments alone
  const loaded = (await import(join(import.meta.dirname, `${name}.ts`))) as { runBench?: Bench };
  if (!loaded.runBench) return Number(process.exitCode ?? 0);
  const { figures, ratios } = await loaded.runBench({ say, args: process.argv.slice(2) });
  for (const [title, values] of Object.entries({ figures, ratios })) sayTable(title, values, say);
  if (values.json) process.stdout.write(`${JSON.stringify({ bench: name, figures, ratios })}\n`);
  return 0;
}

function sayTable(
  title: string,
  values: BenchResult['figures'],
  say: (line: string) => void,
): void {
  if (Object.keys(values).length === 0) return;
  say(`\n${title}`);
  for (const [name, value] of Object.entries(values)) {
    say(
      `  ${name.padEnd(28)} ${typeof value === 'number' ? Number(value.toPrecision(6)) : JSON.stringify(value)}`,
    );
  }
}

process.exitCode = await main();
