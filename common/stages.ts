// The kinds of work, once, as data: names, order and what a user is told of each.
// In: nothing. Out: the list that plans, progress reports, schemas and docs are derived from.
// Why one list: a stage that works today stands here; one that does not, does not.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → alias → predictions

export const STAGES = {
  prepare: 'one pass over the lake: choose rows, keep the raw columns',
  fit: 'statistics of the training rows, level by level',
  train: 'rounds of gradients over lanes',
  evaluate: 'scores and metrics of a version on held-out rows',
  prove: 'source rows as raw JSON through the serving path against the batch result',
  survey: "a dataset's shape from a sample of its rows, before a job is written",
} as const;

export type Stage = keyof typeof STAGES;
export const STAGE_NAMES = Object.keys(STAGES) as readonly Stage[];
