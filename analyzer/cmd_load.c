/* SPDX-License-Identifier: MIT */
#include "analyzer/cmd_load.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "analyzer/cmd.h"
#include "analyzer/profile_build.h"

int gs_cmd_fail_error(const struct gs_error *err)
{
    gs_error_print(err, stderr);
    return err->status == GS_ERR_USAGE ? GS_EXIT_USAGE : GS_EXIT_FAILED;
}

void gs_cmd_load_say_engine(const char *engine, const char *why_not, const char *asked_for,
                            bool verbose)
{
    bool is_asked_for = asked_for && strcmp(asked_for, "auto") != 0;
    if (why_not && (is_asked_for || verbose))
        gs_cmd_say("engine %s counted, not cuda%s: %s", engine,
                   strcmp(engine, "cpu") == 0 ? "" : " alone", why_not);
}

static void say_devices(const char *lines)
{
    for (size_t len; lines && *lines; lines += len + (lines[len] == '\n')) {
        len = strcspn(lines, "\n");
        gs_cmd_say("%.*s", (int)len, lines);
    }
}

/* The parser has refused all others. */
static enum gs_stack_view stack_view(const char *s)
{
    if (s && strcmp(s, "python") == 0)
        return GS_STACKS_PYTHON;
    return s && strcmp(s, "native") == 0 ? GS_STACKS_NATIVE : GS_STACKS_BOTH;
}

int gs_cmd_load(const char *cmd, char *const *captures, int n, const struct gs_cmd_load_args *how,
                struct gs_profile *out)
{
    struct gs_load_options options = {
        .engine = how->engine, .stacks = stack_view(how->stacks), .no_pairs = how->no_pairs};
    struct gs_error err = {0};
    if (n < 1)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "%s: there is no capture to read; name a .gsc file or a directory of "
                           "them",
                           cmd);
    if (gs_profile_load((const char *const *)captures, (size_t)n, &options, out, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    gs_cmd_load_say_engine(out->engine, out->engine_why_not, how->engine, how->verbose != NULL);
    if (how->verbose)
        say_devices(out->engine_devices);
    return GS_EXIT_OK;
}

int gs_cmd_load_damage(uint64_t damaged_chunks, uint64_t skipped_bytes)
{
    if (!damaged_chunks && !skipped_bytes)
        return GS_EXIT_OK;
    return gs_cmd_fail(GS_EXIT_DAMAGED,
                       "the capture is damaged: %" PRIu64 " chunks and %" PRIu64
                       " bytes could not be read; the result is of the rest",
                       damaged_chunks, skipped_bytes);
}

int gs_cmd_load_verdict(const struct gs_profile *p)
{
    return gs_cmd_load_damage(p->damaged_chunks, p->skipped_bytes);
}
