// Where a model is published and served when nobody says where. In: nothing. Out: the names, each written once.
// Why here: the job's defaults, the gateway, the command line and the cluster on one machine must mean the same place.

export const DEFAULT_ENVIRONMENT = 'dev';
export const DEFAULT_ALIAS = 'champion';
