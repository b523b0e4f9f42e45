// Why there is no answer, in a sentence that says what there is instead.
// In: the catalog, the last look at the store. Out: errors for clients and probes. Pure.
import { type Code, GristmillError, nearestName } from '../common/errors.ts';
import { aliasKey, type Catalog, versionKey } from './catalog.ts';

export type Situation = {
  readonly environment: string;
  readonly storeUri: string;
  readonly catalog: Catalog;
  /** undefined: no look at the store has ended so far. */
  readonly look: { readonly error: GristmillError | undefined } | undefined;
};

/** Why nothing at all answers: with the code of what stands in the way, whose remedy is the one that helps. */
export function whyNothing({ environment, storeUri, catalog, look }: Situation): GristmillError {
  const none = (code: Code, why: string): GristmillError =>
    new GristmillError(code, `No model answers yet: ${why}`);
  const [failure] = catalog.failures.values();
  if (failure) return none(failure.error.code, failure.error.message);
  const [unread] = catalog.unread.values();
  if (unread) return none(unread.error.code, unread.error.message);
  if ([...catalog.heads.values()].some(({ version }) => version !== null)) {
    return none('NOT_READY', 'the first version is being loaded');
  }
  if (!look) return none('NOT_READY', `the store ${storeUri} has not been read so far`);
  if (look.error) return none(look.error.code, look.error.message);
  return none('NOT_READY', `no alias in environment ${environment} of ${storeUri} has a version`);
}

/** Why an alias that nobody serves does not answer: not there, or not yet. */
export function whyNoAlias(
  situation: Situation,
  { model, alias }: { model: string; alias: string },
): GristmillError {
  const heads = [...situation.catalog.heads.values()];
  const models = [...new Set(heads.map((head) => head.model))].sort();
  const unread = situation.catalog.unread.get(aliasKey(model, alias));
  if (unread)
    return new GristmillError(
      unread.error.code,
      `Cannot predict with ${model} alias ${alias}: ${unread.error.message}`,
    );
  if (!models.includes(model)) return whyNoModel(situation, model, models);
  const head = situation.catalog.heads.get(aliasKey(model, alias));
  if (!head) {
    const aliases = heads.filter((other) => other.model === model).map((other) => other.alias);
    return notFound({ kind: 'alias', name: alias, there: aliases.sort(), where: `model ${model}` });
  }
  const failure = situation.catalog.failures.get(versionKey(model, head.version ?? 0));
  const why =
    head.version === null
      ? 'no version has held it so far'
      : (failure?.error.message ?? `version ${head.version} is being loaded`);
  return new GristmillError('NOT_READY', `Cannot predict with ${model} alias ${alias}: ${why}`);
}

/** Why a model is not there. Before the store was read nobody knows: then the answer is "not yet". */
function whyNoModel(
  situation: Situation,
  model: string,
  models: readonly string[],
): GristmillError {
  if (!situation.look || models.length === 0) {
    const { code, message } = whyNothing(situation);
    const isRead = situation.look && !situation.look.error;
    return new GristmillError(
      isRead ? 'NOT_FOUND' : code,
      `Cannot predict with model ${model}: ${message}`,
    );
  }
  const where = `environment ${situation.environment}`;
  return notFound({ kind: 'model', name: model, there: models, where });
}

const NAMES_TOLD = 20; // a message stays readable

export function notFound(of: {
  kind: 'model' | 'alias' | 'version';
  name: string;
  there: readonly string[];
  where: string;
}): GristmillError {
  const near = of.kind === 'version' ? undefined : nearestName(of.name, of.there);
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
  const more = of.there.length > NAMES_TOLD ? ` and ${of.there.length - NAMES_TOLD} more` : '';
  const names = of.there.slice(0, NAMES_TOLD).join(', ');
  return new GristmillError(
    'NOT_FOUND',
    `Cannot find ${of.kind} ${of.name} in ${of.where}${hint}: expected one of ${names}${more}`,
  );
}
