// When the clocks of a time zone skip a while. In: an IANA name, a span of time. Out: each change, and what it skips.
// Why by halves: offsets are asked for a month at a time, and a change is found between two that differ. Kept by zone and year.

/** `from` (first minute skipped) and `to` (what the clocks show instead) are clock times, as if they were UTC. */
export type ClockGap = {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly endsAtMidnight: boolean;
};

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const STEP_MS = 28 * DAY_MS;
/** Zones change at most twice a year as a rule; a year ahead finds every change that a slot can fall into. */
const SPAN_MS = 366 * DAY_MS;

/** Changes in (after, before], oldest first; `before` absent: within a year. */
export function clockGaps(
  timeZone: string,
  { after, before }: { readonly after: number; readonly before: number | undefined },
): ClockGap[] {
  const end = Math.min(before ?? Number.POSITIVE_INFINITY, after + SPAN_MS);
  const gaps: ClockGap[] = [];
  for (let year = yearOf(after); year <= yearOf(end); year++)
    gaps.push(...gapsOfYear(timeZone, year).filter(({ at }) => at > after && at <= end));
  return gaps;
}

const yearOf = (atMs: number): number => new Date(atMs).getUTCFullYear();

const known = new Map<string, readonly ClockGap[]>();
const KNOWN_MAX = 1000;

function gapsOfYear(timeZone: string, year: number): readonly ClockGap[] {
  const name = `${timeZone} ${year}`;
  const found = known.get(name);
  if (found) return found;
  const gaps = findGaps(timeZone, Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1));
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(name, gaps);
  return gaps;
}

function findGaps(timeZone: string, start: number, end: number): ClockGap[] {
  const offsetAt = offsetsOf(timeZone);
  const gaps: ClockGap[] = [];
  for (let low = start; low < end; low += STEP_MS) {
    let [before, after] = [low, Math.min(low + STEP_MS, end)];
    if (offsetAt(before) === offsetAt(after)) continue;
    while (after - before > MINUTE_MS) {
      const middle = before + Math.floor((after - before) / 2 / MINUTE_MS) * MINUTE_MS;
      if (offsetAt(middle) === offsetAt(before)) before = middle;
      else after = middle;
    }
    const [from, to] = [after + offsetAt(before), after + offsetAt(after)];
    if (to > from) gaps.push({ at: after, from, to, endsAtMidnight: to % DAY_MS === 0 });
  }
  return gaps;
}

/** What the clocks show, less UTC, in ms. */
function offsetsOf(timeZone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, +value]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const shown = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
    );
    return shown - atMs;
  };
}
