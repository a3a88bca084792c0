/* SPDX-License-Identifier: MIT
 * Where a command writes its result: a new file, a replaced one, or standard output. A file is
 * 0600, never followed through a symlink, and never left half-written: until gs_out_commit() has
 * returned GS_OK an existing file is untouched, and a failed one is removed.
 */
#ifndef GS_OUT_FILE_H
#define GS_OUT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "analyzer/error.h"

struct gs_out {
    FILE *file;
    const char *path;    /* the caller's; "-" is standard output */
    char temp[PATH_MAX]; /* renamed to path at the end; "" if path itself is written */
    bool created;        /* path itself is ours to remove */
};

enum gs_status gs_out_open(struct gs_out *out, const char *path, bool force, struct gs_error *err);
/* ok: everything was written so far. Closes in any case; GS_ERR_IO if bytes were lost. */
enum gs_status gs_out_commit(struct gs_out *out, bool ok, struct gs_error *err);

/* Flushes; 0, or the errno of what went wrong now or in an earlier write. Call it soon after: the
 * stream remembers that it failed, but not why. */
int gs_stream_errno(FILE *f);

#endif
