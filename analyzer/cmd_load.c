/* SPDX-License-Identifier: MIT */
#include "analyzer/cmd_load.h"

#include <inttypes.h>
#include <stddef.h>

#include "analyzer/cmd.h"
#include "analyzer/profile_build.h"

int gs_cmd_fail_error(const struct gs_error *err)
{
    gs_error_print(err, stderr);
    return err->status == GS_ERR_USAGE ? GS_EXIT_USAGE : GS_EXIT_FAILED;
}

int gs_cmd_load(const char *cmd, char *const *captures, int n, const char *engine,
                struct gs_profile *out)
{
    struct gs_load_options options = {.engine = engine};
    struct gs_error err = {0};
    if (n < 1)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "%s: there is no capture to read; name a .gsc file or a directory of "
                           "them",
                           cmd);
    if (gs_profile_load((const char *const *)captures, (size_t)n, &options, out, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    return GS_EXIT_OK;
}

int gs_cmd_load_verdict(const struct gs_profile *p)
{
    if (!p->damaged_chunks && !p->skipped_bytes)
        return GS_EXIT_OK;
    return gs_cmd_fail(GS_EXIT_DAMAGED,
                       "the capture is damaged: %" PRIu64 " chunks and %" PRIu64
                       " bytes could not be read; the result is of the rest",
                       p->damaged_chunks, p->skipped_bytes);
}
