// The types of binaries.mjs, for the TypeScript that imports it.
// In: nothing. Out: declarations, as binaries.mjs has them.
// Why apart: binaries.mjs must load on Node 20, which reads no TypeScript.
type Where = { readonly folder?: string };
export function findNatsServer(where?: Where): string | undefined;
export function findMinio(where?: Where): string | undefined;
export function findHadolint(where?: Where): string | undefined;
export function getNatsServer(where?: Where): Promise<string>;
export function getMinio(where?: Where): Promise<string>;
export function getHadolint(where?: Where): Promise<string>;
