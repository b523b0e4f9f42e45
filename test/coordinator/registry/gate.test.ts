// judge() line by line, and what checkPolicy() says to mistakes.
import { expect, test } from 'vitest';
import type { GristmillError } from '../../../common/errors.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { GatePolicy } from '../../../common/wire/model.ts';
import {
  checkPolicy,
  defaultPolicy,
  getGate,
  type Hearing,
  judge,
  putGate,
} from '../../../coordinator/registry/gate.ts';

const POLICY = { min: { auc: 0.65 }, change: { metric: 'auc', min: -0.002, confidence: 0.95 } };
const champion = { version: 1, metrics: { auc: 0.688 } };
const compared = (change: number, low: number): Hearing['comparison'] => ({
  metric: 'auc',
  confidence: 0.95,
  rows: 1000,
  champion: 0.688,
  challenger: 0.688 + change,
  change,
  low,
  high: 2 * change - low,
});

test('judge() lets the first version pass by the floor alone', () => {
  expect(
    judge({ policy: POLICY, challenger: { auc: 0.687 }, champion: null, comparison: null }),
  ).toMatchObject({
    verdict: 'accepted',
    reasons: [
      'passed: auc is 0.687, needed at least 0.65',
      'passed: there is no champion to compare with',
    ],
  });
});

test('judge() decides by the lower bound of the change, not by the change', () => {
  const hearing = { policy: POLICY, challenger: { auc: 0.69 }, champion };
  expect(judge({ ...hearing, comparison: compared(0.004, 0.0031) })).toMatchObject({
    verdict: 'accepted',
    reasons: [
      'passed: auc is 0.69, needed at least 0.65',
      'passed: auc +0.004 against champion 1, with 95 % confidence above +0.0031, needed above −0.002',
    ],
  });
  const unsure = judge({ ...hearing, comparison: compared(0.004, -0.01) });
  expect(unsure.verdict).toBe('refused');
  expect(unsure.checks.map(({ passed }) => passed)).toEqual([true, false]);
  expect(unsure.reasons[1]).toBe(
    'failed: auc +0.004 against champion 1, with 95 % confidence above −0.01, needed above −0.002',
  );
});

test('judge() refuses what was not measured or not compared', () => {
  const hearing = {
    policy: { max: { mse: 3 } },
    challenger: { auc: 0.7 },
    champion: null,
    comparison: null,
  };
  expect(judge(hearing).reasons).toEqual([
    'failed: mse was not measured (a regression metric), needed at most 3',
  ]);
  const blind = { policy: POLICY, challenger: { auc: 0.7 }, champion, comparison: null };
  expect(judge({ ...blind, incomparable: 'version 1 may have seen these rows' })).toMatchObject({
    verdict: 'refused',
    reasons: [{}, 'failed: not compared with champion 1: version 1 may have seen these rows'].map(
      (reason) => (typeof reason === 'string' ? reason : expect.any(String)),
    ),
  });
});

test('judge() of an empty policy accepts and says so', () => {
  const hearing = { policy: {}, challenger: {}, champion, comparison: null };
  expect(judge(hearing)).toMatchObject({
    verdict: 'accepted',
    reasons: ['passed: the gate asks for nothing'],
  });
});

test.each<[unknown, string[]]>([
  [{ min: { auk: 0.5 } }, ['/min/auk is no known metric ("auk"); did you mean "auc"?']],
  [{ min: { logLoss: 0.5 } }, ['/min/logLoss is better when lower, expected under "max"']],
  [{ max: { auc: 0.5 } }, ['/max/auc is better when higher, expected under "min"']],
  [{ mim: {} }, ['/mim is not a known field; did you mean "min"?']],
  [
    { change: { metric: 'auc', min: 0, confidence: 95 } },
    ['/change/confidence is 95, expected at most 0.9999'],
  ],
  [
    { change: { metric: 'f1', min: 0, confidence: 0.9 } },
    [
      '/change/metric is no known metric ("f1"); expected one of auc, logLoss, brier, accuracy, r2, mse, mae',
    ],
  ],
  [{ min: { auc: '0.5' } }, ['/min/auc is "0.5", expected a number']],
])('checkPolicy() explains %j', (policy, expected) => {
  try {
    checkPolicy(policy);
    expect.unreachable();
  } catch (error) {
    expect((error as GristmillError).code).toBe('SPEC_INVALID');
    const found = (error as GristmillError).errors?.map((e) => `${e.pointer} ${e.detail}`);
    expect(found).toEqual(expected);
  }
});

test('getGate() gives the default until somebody puts one; every put is kept', async () => {
  const store = memoryStore();
  const of = { model: 'm', environment: 'dev', label: 'binary' } as const;
  expect(await getGate(store, of)).toEqual({ policy: defaultPolicy('binary'), n: 0 });
  expect(await putGate(store, { ...of, policy: checkPolicy(POLICY), at: 1 })).toEqual({
    policy: POLICY,
    n: 1,
  });
  await putGate(store, { ...of, policy: {}, at: 2 });
  expect(await getGate(store, of)).toEqual({ policy: {}, n: 2 });
  expect(defaultPolicy('regression')).toEqual({
    change: { metric: 'r2', min: -0.002, confidence: 0.95 }, // a little worse may pass, not a little better only
  });
});

test('checkPolicy() knows which metrics the model has, once there is one', () => {
  const policy = { max: { mse: 3 } };
  expect(checkPolicy(policy)).toEqual(policy);
  expect(() => checkPolicy(policy, 'binary')).toThrow(
    'Cannot set the gate: /max/mse is a regression metric, but the model is binary: expected auc, logLoss, brier or accuracy',
  );
});

test('judge() lets pass what is exactly at its limit, and nothing beyond', () => {
  const passes = (policy: GatePolicy, of: Partial<Hearing>): boolean =>
    judge({ policy, challenger: {}, champion: null, comparison: null, ...of }).verdict ===
    'accepted';
  const floor = { min: { auc: 0.65 } };
  expect(passes(floor, { challenger: { auc: 0.65 } })).toBe(true);
  expect(passes(floor, { challenger: { auc: 0.6499 } })).toBe(false);
  const ceiling = { max: { mse: 3 } };
  expect(passes(ceiling, { challenger: { mse: 3 } })).toBe(true);
  expect(passes(ceiling, { challenger: { mse: 3.0001 } })).toBe(false);
  const { change } = POLICY;
  expect(passes({ change }, { champion, comparison: compared(0, -0.002) })).toBe(true);
  expect(passes({ change }, { champion, comparison: compared(0.1, -0.00201) })).toBe(false);
  const both = { ...floor, ...ceiling };
  expect(passes(both, { challenger: { auc: 0.7, mse: 4 } })).toBe(false);
  expect(passes(both, { challenger: { auc: 0.6, mse: 2 } })).toBe(false);
  expect(passes(both, { challenger: { auc: 0.7, mse: 2 } })).toBe(true);
});

test('judge() takes no comparison by another metric than the gate asks for', () => {
  const comparison = { ...compared(0.1, 0.05)!, metric: 'brier' };
  const hearing = { policy: { change: POLICY.change }, challenger: {}, champion, comparison };
  const words = 'not compared with champion 1: no comparison by auc';
  expect(judge(hearing)).toEqual({
    verdict: 'refused',
    checks: [{ passed: false, words }],
    reasons: [`failed: ${words}`],
  });
});

test('judge() writes signs and zero as they are', () => {
  const reasons = (change: number, low: number) =>
    judge({
      policy: { change: POLICY.change },
      challenger: {},
      champion,
      comparison: compared(change, low),
    }).reasons[0];
  expect(reasons(0, 0)).toContain('auc +0 against champion 1, with 95 % confidence above +0,');
  expect(reasons(-0.001, -0.0015)).toContain(
    'auc −0.001 against champion 1, with 95 % confidence above −0.0015,',
  );
});

test('getGate() follows the newest version where nobody set one, and knows no model without any', async () => {
  const store = memoryStore();
  await expect(getGate(store, { model: 'm', environment: 'dev' })).rejects.toThrow(
    'Cannot find the model m: none is published yet',
  );
  await putGate(store, { model: 'm', environment: 'dev', policy: {}, at: 1 });
  expect(await getGate(store, { model: 'm', environment: 'dev' })).toEqual({ policy: {}, n: 1 });
});
