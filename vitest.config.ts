// Which tests run how. In: test files by folder. Out: vitest projects.
// Why projects: house and unit need nothing but the checkout and make up `npm run check`; parity and simulation take
// longer; live tests start real processes, and on two cores one file at a time is quicker and steadier than two.
import { defineConfig } from 'vitest/config';

const unit = [
  'test/*.test.ts',
  'test/{common,coordinator,worker,gateway,cli,deploy,gradcheck}/**/*.test.ts',
];
const second = 1000;

export default defineConfig({
  test: {
    pool: 'forks', // DuckDB and ONNX Runtime are native: a crash takes one file's process, not the run
    maxWorkers: 2,
    projects: [
      {
        test: { name: 'house', include: ['test/house/**/*.test.ts'], testTimeout: 60 * second },
      },
      { test: { name: 'unit', include: unit, testTimeout: 30 * second } },
      {
        test: {
          name: 'long',
          include: ['test/{parity,sim}/**/*.test.ts'],
          testTimeout: 300 * second,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/live/**/*.test.ts'],
          globalSetup: 'test/support/warm.ts',
          testTimeout: 300 * second,
          hookTimeout: 120 * second,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
