// What init tells of its choices: a line a column, then what holds for all, then what to look at.
// In: a dataset, the choice. Out: lines that fit the terminal. Pure.
// Why wrapped and not cut: the end of a reason is its figures.
import type { DatasetView } from '../../common/wire/survey.ts';
import { size, whole } from '../../common/words/figures.ts';
import type { Style } from '../print.ts';
import { cut, pad, widthOf } from '../text.ts';
import type { Reasons } from './choose.ts';
import type { ColumnChoice } from './columns.ts';

export function storyLines(
  { view, reasons }: { readonly view: DatasetView; readonly reasons: Reasons },
  { style, columns }: { readonly style: Style; readonly columns: number },
): string[] {
  const told: (readonly [string, string])[] = [
    ['label', reasons.label],
    ['split', reasons.split],
    ...(reasons.clean === null ? [] : [['clean', reasons.clean] as const]),
    ['model', reasons.model],
  ];
  return [
    ...titled(style('bold', view.uri), datasetWords(view), columns, widthOf(view.uri)),
    '',
    ...choiceLines(reasons.columns, { style, columns }),
    '',
    ...told.flatMap(([title, text]) => titled(style('bold', title), text, columns)),
    ...(reasons.warnings.length > 0 ? ['', style(['bold', 'yellow'], 'Look at')] : []),
    ...reasons.warnings.flatMap((text) => titled(style('yellow', '-'), text, columns, 1)),
  ];
}

function datasetWords({ objects, rows, footers, bytes, columns }: DatasetView): string {
  const about = footers < objects ? 'about ' : '';
  return [
    `${whole(objects)} object${objects === 1 ? '' : 's'}`,
    `${about}${whole(rows)} rows`,
    `${whole(columns.length)} columns`,
    size(bytes),
  ].join(', ');
}

const NAME_MAX = 28;
const TYPE_MAX = 12;
/** Below this a reason gets its own line. */
const BESIDE_MIN = 120;

export function choiceLines(
  choices: readonly ColumnChoice[],
  { style, columns }: { readonly style: Style; readonly columns: number },
): string[] {
  const nameWidth = longest(
    choices.map(({ column }) => column),
    'COLUMN',
    Math.min(NAME_MAX, Math.floor(columns / 4)),
  );
  const typeWidth = longest(
    choices.map(({ type }) => type),
    'TYPE',
    Math.min(TYPE_MAX, Math.floor(columns / 6)),
  );
  const left = nameWidth + typeWidth + 4;
  const isBeside = columns >= BESIDE_MIN;
  const featureMax = isBeside ? Math.min(64, Math.floor((columns - left) * 0.5)) : columns - left;
  const features = choices.map((choice) => featureLines(choice, featureMax));
  const featureWidth = longest(features.flat(), 'FEATURE', featureMax);
  const whyWidth = isBeside ? Math.max(30, columns - left - featureWidth - 2) : columns - left - 2;
  const head = `${pad('COLUMN', nameWidth)}  ${pad('TYPE', typeWidth)}  ${isBeside ? `${pad('FEATURE', featureWidth)}  WHY` : 'FEATURE AND WHY'}`;
  const rows = choices.flatMap((choice, index) => {
    const name = pad(cut(choice.column, nameWidth), nameWidth);
    const type = pad(cut(choice.type, typeWidth), typeWidth);
    const tone = choice.suspect || choice.isAsked ? 'yellow' : 'dim';
    const whys = wrap(choice.why, whyWidth).map((text) => style(tone, text));
    const isLeft = Object.keys(choice.features).length === 0;
    const texts = features[index]!.map((text) => (isLeft ? style('dim', text) : text));
    const cells = isBeside
      ? Array.from({ length: Math.max(texts.length, whys.length) }, (_, i) =>
          `${pad(texts[i] ?? '', featureWidth)}  ${whys[i] ?? ''}`.trimEnd(),
        )
      : [...texts, ...whys.map((text) => `  ${text}`)];
    return cells.map((cell, i) =>
      i === 0 ? `${name}  ${style('dim', type)}  ${cell}` : `${' '.repeat(left)}${cell}`,
    );
  });
  return [style('dim', head), ...rows];
}

/** One a line, but of a code's many only the first and how many more there are. */
function featureLines({ features }: ColumnChoice, width: number): string[] {
  const all = Object.values(features);
  if (all.length === 0) return ['left out'];
  if (all.length <= FEATURES_SHOWN) return all.flatMap((text) => wrap(text, width));
  const shown = all.slice(0, 2).join(' · ');
  return wrap(`${shown} · … (${all.length} features)`, width);
}

const FEATURES_SHOWN = 4;

const longest = (texts: readonly string[], title: string, max: number): number =>
  Math.min(max, Math.max(widthOf(title), ...texts.map(widthOf)));

function titled(title: string, text: string, columns: number, width = 5): string[] {
  const lines = wrap(text, columns - width - 2);
  return lines.map((line, i) => `${i === 0 ? pad(title, width) : ' '.repeat(width)}  ${line}`);
}

/** Cut at spaces; a word longer than a line is cut where the line ends. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((word) => pieces(word, width))) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function pieces(word: string, width: number): string[] {
  if (!Number.isFinite(width) || widthOf(word) <= width) return [word];
  const letters = [...word];
  const step = Math.max(1, Math.floor(width));
  return Array.from({ length: Math.ceil(letters.length / step) }, (_, i) =>
    letters.slice(i * step, (i + 1) * step).join(''),
  );
}
