// The variables that say how S3 is reached, as every S3 client knows them.
// In: nothing. Out: the table that docs show.
// Why apart from settings: they are not ours to name or to refuse.

export type Variable = {
  readonly name: string;
  readonly help: string;
  /** In words: what holds where it is not set. */
  readonly standard: string;
  readonly reason: string;
  readonly isSecret?: boolean;
};

export const AWS_VARIABLES: readonly Variable[] = [
  {
    name: 'AWS_ENDPOINT_URL_S3',
    help: 'http(s)://host:port of an S3 other than AWS: MinIO, Ceph, …',
    standard: 'AWS_ENDPOINT_URL',
    reason: 'the more special name wins',
  },
  {
    name: 'AWS_ENDPOINT_URL',
    help: 'the same, for all services',
    standard: 'AWS itself',
    reason: 'what every S3 client takes it for',
  },
  {
    name: 'AWS_ACCESS_KEY_ID',
    help: 'who asks',
    standard: 'nobody: requests are not signed',
    reason: 'public buckets need no name; needs AWS_SECRET_ACCESS_KEY beside it',
  },
  {
    name: 'AWS_SECRET_ACCESS_KEY',
    help: 'its password',
    standard: 'none',
    reason: 'needs AWS_ACCESS_KEY_ID beside it',
    isSecret: true,
  },
  {
    name: 'AWS_SESSION_TOKEN',
    help: 'the token of a temporary key',
    standard: 'none',
    reason: 'lasting keys have none',
    isSecret: true,
  },
  {
    name: 'AWS_REGION',
    help: 'the region of the bucket',
    standard: 'AWS_DEFAULT_REGION',
    reason: 'the two names mean the same, and tools differ',
  },
  {
    name: 'AWS_DEFAULT_REGION',
    help: 'the region of the bucket',
    standard: 'us-east-1 with an endpoint, else asked of AWS',
    reason: 'what MinIO calls its only region',
  },
];
