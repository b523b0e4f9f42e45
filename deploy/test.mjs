// Runs the gate and the tests, and counts. `check`: types, lint, house and unit tests, under a minute.
// Without `check`: those, and parity, simulation, live and fault tests with a real nats-server and MinIO.
// In: `[check] [vitest filters…]`. Out: the reports; last line `N passed, N failed` from vitest's JSON; exit code 0 only for 0 failed.
// Flow: install → binaries → types → lint → vitest → the count
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getMinio, getNatsServer } from './binaries.mjs';
import { environment, finish, home, install, nodePath, run, say } from './bootstrap.mjs';

/** vitest projects of `check`; all others need a server, or minutes. */
const CHECK_PROJECTS = ['house', 'unit'];
const bin = (name) => join('node_modules/.bin', name);

await finish(async () => {
  const isCheck = process.argv[2] === 'check';
  const filters = process.argv.slice(isCheck ? 3 : 2);
  await install();
  const env = isCheck ? environment() : { ...environment(), ...(await getServers()) };
  const broken = [];
  if (filters.length === 0) {
    say('types: tsc');
    if ((await run([nodePath(), bin('tsc'), '--noEmit'], { env })) !== 0) broken.push('types');
    say('lint: biome check');
    if ((await run([nodePath(), bin('biome'), 'check', '.'], { env })) !== 0) broken.push('lint');
  }
  const report = await runVitest(filters, isCheck ? CHECK_PROJECTS : [], env);
  for (const what of broken) say(`failed: ${what}`);
  const failed = report.failed + broken.length;
  process.stdout.write(`\n${report.passed} passed, ${failed} failed\n`);
  return failed === 0 && report.code === 0 && report.passed > 0 ? 0 : 1;
});

/** The servers that live tests start. Without MinIO its tests skip and say so; with CI=true that is a failure. */
async function getServers() {
  const servers = { NATS_SERVER: await getNatsServer() };
  try {
    return { ...servers, MINIO: await getMinio() };
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    say(`warning: the tests against MinIO are skipped.\n${error.message}`);
    return servers;
  }
}

async function runVitest(filters, projects, env) {
  const path = join(home, 'test-report.json');
  mkdirSync(home, { recursive: true });
  rmSync(path, { force: true });
  const chosen = projects.map((name) => `--project=${name}`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${path}`];
  const vitest = [nodePath(), bin('vitest'), 'run'];
  const code = await run([...vitest, ...chosen, ...reporters, ...filters], { env });
  try {
    return { code, ...count(JSON.parse(readFileSync(path, 'utf8'))) };
  } catch (error) {
    say(`failed: vitest wrote no report (${error.message})`);
    return { code, passed: 0, failed: 1 };
  }
}

/** A file that fails to load, or whose hooks fail, has no failed test: it counts as one. */
function count(report) {
  const fallen = report.testResults.filter(
    (file) =>
      file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + fallen.length };
}
