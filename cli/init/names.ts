// Names that a written job needs: of features, of columns inside SQL, of the job itself, and figures for reading.
// In: names as a dataset has them: any text. Out: names that the rules of a job allow, each one once.
// Why quoting only where it must be: "Beak Depth (mm)" needs it, and distance reads better without.

import { quoteName } from '../../common/sql.ts';

/** Gives each feature a name of its own; SQL does not tell "Hour" from "hour". */
export type FeatureNames = { take(wanted: string): string };

export function featureNames(): FeatureNames {
  const taken = new Set<string>();
  return {
    take(wanted) {
      const base = asFeatureName(wanted);
      let name = base;
      for (let n = 2; taken.has(name.toLowerCase()); n++) name = withSuffix(base, `_${n}`);
      taken.add(name.toLowerCase());
      return name;
    },
  };
}

const FEATURE_NAME_MAX = 63;

/** A letter or "_", then letters, digits and "_": accents go, whatever else is in between becomes "_". */
export function asFeatureName(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
  const begun = /^[A-Za-z]/.test(plain) ? plain : `column_${plain}`.replace(/_$/, '');
  return begun.slice(0, FEATURE_NAME_MAX).replace(/_+$/, '');
}

const withSuffix = (base: string, suffix: string): string =>
  `${base.slice(0, FEATURE_NAME_MAX - suffix.length)}${suffix}`;

/** A column in SQL: plain where DuckDB reads it so, else in double quotes. */
export function columnSql(name: string): string {
  const isPlain = /^[a-z_][a-z0-9_]*$/i.test(name) && !RESERVED.has(name.toLowerCase());
  return isPlain ? name : quoteName(name);
}

/** Words that are no column name without quotes, in DuckDB 1.5: reserved ones and those that begin a term. */
const RESERVED = new Set(
  `all analyse analyze and anti any array as asc asof asymmetric at authorization between binary both case cast check
  coalesce collate collation column columns concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user date default deferrable desc describe
  distinct do else end except exists extract false fetch for foreign freeze from full generated glob grant group
  grouping_id having ilike in initially inner intersect interval into is isnull join lambda lateral leading left like
  limit localtime localtimestamp map natural not notnull null nullif offset on only or order outer overlaps overlay
  pivot pivot_longer pivot_wider placing position positional primary qualify references returning right row select
  semi session_user setof show similar some struct substring summarize symmetric table tablesample then time
  timestamp to trailing treat trim true try_cast union unique unpivot user using values variadic verbose when where
  window with within`.split(/\s+/),
);

const JOB_NAME_MAX = 63;

/**
 * The job's name from where its rows lie: the file, or the nearest folder that is no pattern and no "key=value".
 * trips/*.parquet: trips; s3://lake/sales/day=1/a*.parquet: sales; "Movies 2010.parquet": movies-2010.
 */
export function jobNameOf(uri: string): string {
  const path = uri.replace(/^[a-z0-9]+:\/\//i, '');
  const segments = path.split('/').filter((segment) => /[a-z0-9]/i.test(segment));
  const isPlain = (segment: string): boolean => !/[*?[\]{}=]/.test(segment);
  const last = segments.findLast(isPlain) ?? segments.at(-1) ?? '';
  const name = last
    .replace(/\.(parquet|parq|pq)$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, JOB_NAME_MAX)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'job' : name;
}

/** A number for reading: four digits that matter; thousands apart from 10,000 on, so that 2013 stays a year. */
export const figure = (value: number): string =>
  value.toLocaleString('en-US', {
    useGrouping: 'min2',
    ...(Number.isInteger(value) && Math.abs(value) < 1e15 ? {} : { maximumSignificantDigits: 4 }),
  });

export const percent = (share: number): string =>
  share > 0 && share < 0.001 ? 'under 0.1 %' : `${figure(Math.round(share * 1000) / 10)} %`;
