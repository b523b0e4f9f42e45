// gristmill completion SHELL.
// In: the name of a shell. Out: the script that completes our words in it.
// Why printed: where a shell looks for such scripts is its user's choice.
import { GristmillError, nearestName } from '../../common/errors.ts';
import { completionFor, SHELLS } from '../completion.ts';
import { EXIT, type Run } from '../context.ts';

export const run: Run = async ({ out }, [shell = '']) => {
  const known = SHELLS.find((name) => name === shell);
  if (known) {
    out.line(completionFor(known).trimEnd());
    return EXIT.done;
  }
  const near = nearestName(shell, SHELLS);
  const hint = near ? `; did you mean ${near}?` : '';
  const message = `Cannot complete in ${JSON.stringify(shell)}: expected ${SHELLS.join(', ')}${hint}`;
  throw new GristmillError('USAGE', message);
};
