/* SPDX-License-Identifier: MIT
 * What the commands that read captures share: from operands to a profile, and from what is wrong
 * with the captures to an exit code.
 */
#ifndef GS_CMD_LOAD_H
#define GS_CMD_LOAD_H

#include "analyzer/error.h"
#include "analyzer/options.h"
#include "analyzer/profile.h"

/* Texts as typed, NULL: not given. verbose: say what each device counted, and if engine auto took
 * another one than it could have, why. */
struct gs_cmd_load_args {
    const char *engine, *verbose, *stacks;
    bool no_pairs; /* see struct gs_load_options */
};
#define GS_LOAD_ARGS(args, cmd)                                                                    \
    {                                                                                              \
        .engine = (args)->value[GS_OPT_##cmd##_engine],                                            \
        .verbose = (args)->value[GS_OPT_##cmd##_verbose],                                          \
        .stacks = (args)->value[GS_OPT_##cmd##_stacks],                                            \
    }
/* Loads n captures. GS_EXIT_OK, or the exit code after a message. The caller frees *out. */
int gs_cmd_load(const char *cmd, char *const *captures, int n, const struct gs_cmd_load_args *how,
                struct gs_profile *out);
/* Who asked for an engine is told that another one counted. */
void gs_cmd_load_say_engine(const char *engine, const char *why_not, const char *asked_for,
                            bool verbose);
/* The exit code after a result was written: GS_EXIT_DAMAGED, with a message, if a part of the
 * captures could not be read. */
int gs_cmd_load_verdict(const struct gs_profile *p);
int gs_cmd_load_damage(uint64_t damaged_chunks, uint64_t skipped_bytes); /* the same */
/* Prints the error; GS_EXIT_USAGE or GS_EXIT_FAILED. */
int gs_cmd_fail_error(const struct gs_error *err);

#endif
