// Threads for files: imported first by processes whose store may be a folder.
// In: nothing. Out: UV_THREADPOOL_SIZE, unless it is set. libuv reads it when it first uses its pool.
// Why 16: a commit waits for fsync three times; with 4 threads 760 commits/s, with 16 2,700 (two busy cores, ext4).
process.env.UV_THREADPOOL_SIZE ??= '16';
