// What a benchmark is: a function that says figures and gives them back.
// In: a place for words, the arguments. Out: figures and ratios by name. Why ratios apart: figures move between
// machines, ratios taken in one run hold better.
export type BenchResult = {
  readonly figures: Readonly<Record<string, unknown>>;
  readonly ratios: Readonly<Record<string, unknown>>;
};
export type Bench = (context: {
  readonly say: (line: string) => void;
  readonly args: readonly string[];
}) => Promise<BenchResult>;
