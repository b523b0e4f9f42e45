// What `npm run mutate` changes, one small thing at a time, and which tests must notice.
// In: a file, its tests and where to report, from deploy/mutate.mjs. Out: that report.
// Why these files: they compute without I/O, so a unit test can pin every comparison and sign in them.
import { fileURLToPath } from 'node:url';

const tools = fileURLToPath(
  new URL('../../.gristmill/tools/stryker/node_modules/', import.meta.url),
);

export default {
  testRunner: 'vitest',
  plugins: [`${tools}@stryker-mutator/vitest-runner/dist/src/index.js`],
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
  mutate: [process.env.MUTATED],
  mutator: { excludedMutations: ['StringLiteral', 'ObjectLiteral', 'ArrayDeclaration', 'Regex'] },
  coverageAnalysis: 'perTest',
  concurrency: 1,
  reporters: ['progress-append-only', 'json'],
  jsonReporter: { fileName: process.env.REPORT },
  tempDirName: '.gristmill/mutation/tmp',
  cleanTempDir: 'always',
  ignorePatterns: ['.gristmill', 'dist', '.git'],
  allowEmpty: false,
  tsconfigFile: 'none', // it would be rewritten by TypeScript's own API, which version 7 does not have
};
