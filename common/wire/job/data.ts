// A data job: rows chosen from a dataset, and nothing trained on them.
// In: a job with the shared sections alone. Out: a DataJob.
import type { FieldError } from '../../errors.ts';
import { fillHead, type HeadInput, type JobHead } from './head.ts';

export type DataJob = JobHead & { readonly kind: 'data' };

/** Sections that only a data job has. */
export const DATA_SECTIONS = {};

export const checkData = (_job: HeadInput): FieldError[] => [];

export const fillData = (job: HeadInput): DataJob => ({ kind: 'data', ...fillHead(job) });
