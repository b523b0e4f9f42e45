// The documentation of the coordinator's API and of the job, as pages.
// In: OpenAPI, the job's schema, the tables of stages, functions and operators. Out: HTML.
// Why the functions' table too: a job is half JSON, half expressions, and both have one source here.
import { apiPage, type OpenApi } from '../../common/docs/api.ts';
import { code, html, type Link, renderPage, table } from '../../common/docs/html.ts';
import {
  exampleBlocks,
  fieldTable,
  noteOf,
  type Schema,
  typeText,
} from '../../common/docs/schema.ts';
import { STAGES } from '../../common/stage/stages.ts';
import { jobSchemaJson } from '../../common/wire/job/job.ts';
import { FUNCTIONS, OPERATORS } from '../compile/functions.ts';
import type { FeatureFunction } from '../compile/probes.ts';
import { SHARED } from './schemas.ts';

const PAGES: readonly Link[] = [
  { text: 'API', href: '/docs' },
  { text: 'Job', href: '/docs/job' },
];

export const apiDocs = (api: OpenApi): string =>
  apiPage(api, { address: 'GRISTMILL_COORDINATOR', pages: PAGES });

/** The job as an engineer writes it. */
export function jobDocs(): string {
  const schema = jobSchemaJson() as Schema;
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => name !== '$schema');
  const sections = fields.map(([name, field]) => fieldSection(name, field, schema));
  return renderPage({
    title: 'The job',
    intro: `<p>One JSON object from Parquet to a served model. Its schema, for editors and checks: <a href="/schemas/job.v1.json">/schemas/job.v1.json</a>.
"gristmill init" writes one from your own data, "gristmill job submit" sends it.</p>${exampleBlocks(SHARED.Job)}
<p>A job without "publish" trains and evaluates; one of "clean" alone prepares rows. Everything that may be left out has the default told below.</p>`,
    pages: PAGES,
    contents: [
      {
        heading: { text: 'Fields', href: '#fields' },
        entries: fields.map(([name]) => ({ text: code(name), href: `#${name}` })),
      },
      {
        heading: { text: 'Expressions', href: '#expressions' },
        entries: [
          { text: 'Functions', href: '#functions' },
          { text: 'Operators', href: '#operators' },
        ],
      },
      { heading: { text: 'Stages', href: '#stages' }, entries: [] },
    ],
    body: `<h2 id="fields">Fields</h2>${sections.join('\n')}
<h2 id="expressions">Expressions</h2><p>"clean" and "label" are any scalar SQL over the columns of the dataset. A feature is SQL, too, but of what exists in both targets:
it becomes SQL for training and ONNX for serving, and both give the same result for every input, odd ones included.</p>
<h3 id="functions">Functions of features</h3>${functionTable()}
<h3 id="operators">Operators</h3>${table(
      ['form', ''],
      OPERATORS.map(({ form, says }) => [code(form), html(says)]),
    )}
<h2 id="stages">Stages</h2><p>The kinds of work. A job goes through all but the last, and "gristmill job watch" shows where it is.</p>${table(
      ['stage', ''],
      Object.entries(STAGES).map(([name, { words }]) => [code(name), html(words)]),
    )}`,
  });
}

function fieldSection(name: string, field: Schema, { required }: Schema): string {
  const needed = required?.includes(name) ? 'required' : 'optional';
  const note = noteOf(field);
  return `<h3 id="${html(name)}">${code(name)}</h3><p>${typeText(field)}, ${needed}${note === '' ? '' : `; ${html(note)}`}</p>${choices(field)}${fieldTable(field, name)}`;
}

/** The forms that a field may have, by name. */
function choices({ anyOf = [], items }: Schema): string {
  const named = (items?.anyOf ?? anyOf).filter(({ title }) => title);
  const lines = named.map(
    ({ title = '', description = '' }) => `<li>${code(title)}: ${html(description)}</li>`,
  );
  return lines.length === 0 ? '' : `<ul>${lines.join('')}</ul>`;
}

const functionTable = (): string =>
  table(
    ['example', 'takes', 'gives', 'what', 'odd input'],
    FUNCTIONS.map((one) => [
      code(one.example),
      html(one.takes.join(', ')),
      html(one.gives),
      html(one.says),
      html(oddInput(one)),
    ]),
  );

function oddInput({ on }: FeatureFunction): string {
  const shown = (value: number | null): string =>
    value === null ? 'missing' : String(Number(value.toPrecision(6))).replace('Infinity', '∞');
  return Object.entries(on)
    .map(([probe, value]) => `${probe} → ${shown(value)}`)
    .join('; ');
}
