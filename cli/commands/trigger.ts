// gristmill trigger: apply, list, show, fire, pause, resume, remove.
// In: files as they lie in git, names. Out: schedules, and what became of their slots.
// Why a file has the name in it: a folder of triggers is applied with one command.
import { GristmillError } from '../../common/errors.ts';
import { checkName } from '../../common/ids.ts';
import { duration } from '../../common/words/figures.ts';
import type { FiringView, Trigger, TriggerView } from '../api.ts';
import { type Context, EXIT, type Run } from '../context.ts';
import { nameOf, readJson } from '../input.ts';
import { age, moment, type Style } from '../print.ts';

export const apply: Run = async (context, files) => {
  const { client, out } = context;
  const read = [];
  for (const file of files) read.push(await readTrigger(context, file)); // all, before one is put
  const views: TriggerView[] = [];
  for (const { name, body } of read) {
    const view = await client.putTrigger(name, body);
    views.push(view);
    out.line(`${out.style('bold', name)}  ${view.when}; ${nextWords(view)}`);
  }
  if (out.isJson) out.json({ triggers: views });
  return EXIT.done;
};

export const list: Run = async ({ client, out, clock }) => {
  const { triggers, unreadable } = await client.triggers();
  if (out.isJson) out.json({ triggers, unreadable });
  else if (triggers.length + unreadable.length === 0) {
    out.line('There are no triggers. To create one: gristmill trigger apply FILE');
  } else {
    out.table({
      head: ['TRIGGER', 'ON', 'LAST', 'BECAME', 'NEXT'],
      rows: triggers.map((trigger) => {
        const last = trigger.firings[0];
        return [
          trigger.name,
          trigger.when,
          last ? age(last.dueAt, clock.now()) : '',
          last ? outcomeWords(last, out.style) : '',
          nextWords(trigger).replace(/^next /, ''),
        ];
      }),
    });
    for (const { name, error } of unreadable)
      out.line(
        `${out.style('red', name)} is never fired: ${error.message}. Apply it anew, or remove it`,
      );
  }
  return EXIT.done;
};

export const show: Run = async ({ client, out, clock }, [name = '']) => {
  const view = await client.trigger(name);
  if (out.isJson) {
    out.json(view);
    return EXIT.done;
  }
  const { spec } = view;
  out.line(out.style('bold', view.name));
  out.line(`on         ${view.when}`);
  out.line(`overlap    ${spec.overlap}`);
  out.line(`catch up   ${spec.catchUp}`);
  out.line(`changed    ${moment(view.updatedAt)} (${age(view.updatedAt, clock.now())})`);
  if (view.nextAt.length === 0) out.line(`next       ${nextWords(view)}`);
  view.nextAt.slice(0, 5).forEach((at, index) => {
    const left = `in ${duration((at - clock.now()) / 1000)}`;
    out.line(`${(index === 0 ? 'next' : '').padEnd(10)} ${moment(at)}  ${out.style('dim', left)}`);
  });
  out.line();
  if (view.firings.length === 0) out.line('None of its slots has come yet.');
  else {
    out.table({
      head: ['SLOT', 'BECAME', 'JOB', ''],
      rows: view.firings.map((firing) => [
        moment(firing.dueAt) + (firing.slot.includes('call') ? ' by call' : ''),
        outcomeWords(firing, out.style),
        'job' in firing ? firing.job : '',
        'reason' in firing ? firing.reason : (firing.error?.message ?? ''),
      ]),
    });
  }
  return EXIT.done;
};

export const fire: Run = async ({ client, out }, [name = '']) => {
  const firing = await client.fireTrigger(name);
  if (out.isJson) out.json(firing);
  else if (firing.kind === 'fired') {
    const waits = firing.after ? `, once ${firing.after} has ended` : '';
    out.line(`Fired ${name}: ${firing.job}${waits}. To see it: gristmill job watch ${firing.job}`);
  } else out.line(`${name} was ${firing.kind}: ${firing.reason}`);
  return firing.kind === 'fired' ? EXIT.done : EXIT.failed;
};

export const pause: Run = (context, [name = '']) => setPaused(context, name, true);
export const resume: Run = (context, [name = '']) => setPaused(context, name, false);

/** The trigger as it stands, with that one field changed: nothing if somebody else changed it meanwhile. */
async function setPaused({ client, out }: Context, name: string, paused: boolean): Promise<number> {
  const { spec, entry } = await client.trigger(name);
  const view = await client.putTrigger(name, { ...spec, paused } as Trigger, entry);
  if (out.isJson) out.json(view);
  out.line(`${out.style('bold', name)}  ${view.when}; ${nextWords(view)}`);
  return EXIT.done;
}

export const remove: Run = async ({ client, out }, [name = '']) => {
  await client.removeTrigger(name);
  if (out.isJson) out.json({ removed: name });
  out.line(`Removed ${name}; jobs that it has fired stay.`);
  return EXIT.done;
};

async function readTrigger(
  context: Context,
  file: string,
): Promise<{ readonly name: string; readonly body: Uint8Array }> {
  const value = await readJson(context, file);
  if (typeof value === 'object' && value !== null && 'name' in value) {
    const { name, ...trigger } = value;
    if (typeof name === 'string') {
      const body = new TextEncoder().encode(JSON.stringify(trigger));
      return { name: checkName(`the "name" in ${nameOf(file)}`, name), body };
    }
  }
  const message = `Cannot apply ${nameOf(file)}: it has no "name", expected {"name": "nightly", "on": {"cron": "15 3 * * *"}, "job": {…}}`;
  throw new GristmillError('USAGE', message);
}

function nextWords({ spec, nextAt }: TriggerView): string {
  if (spec.paused) return 'paused';
  return nextAt[0] === undefined ? 'no slot to come' : `next ${moment(nextAt[0])}`;
}

function outcomeWords(firing: FiringView, style: Style): string {
  if (firing.kind !== 'fired') return style('yellow', firing.kind);
  const state = firing.state ?? 'waits';
  return style(state === 'failed' ? 'red' : 'green', `fired, ${state}`);
}
