// How mutants are tested: by the unit tests of the files that were changed, in one process.
// In: unit tests. Out: one vitest project. Why apart: the mutation runner takes one project, without servers.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: process.env.TESTED?.split(',') ?? [],
    testTimeout: 30_000,
  },
});
