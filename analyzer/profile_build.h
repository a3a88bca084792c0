/* SPDX-License-Identifier: MIT
 * From captures to a profile: the one call every reading command makes.
 */
#ifndef GS_PROFILE_BUILD_H
#define GS_PROFILE_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzer/error.h"
#include "analyzer/profile.h"

struct gs_load_options {
    const char *engine; /* "auto" (also NULL), "reference", "cpu", "cuda" */
    unsigned jobs;      /* threads, 0 for as many as there are cores */
    size_t window_rows; /* of the engines' windows, 0 for the default (tests have smaller ones) */
    enum gs_stack_view stacks;
    bool no_pairs; /* who waited for whom is not asked for: a fifth to a third of the work */
};

/* Reads all captures (files, or directories searched for *.gsc) as one job. The result does not
 * depend on the order of the paths, nor on how chunks are spread over files. GS_OK also when parts
 * were damaged: see out->damaged_chunks, out->skipped_bytes. On failure *out is empty. */
enum gs_status gs_profile_load(const char *const *paths, size_t n_paths,
                               const struct gs_load_options *options, struct gs_profile *out,
                               struct gs_error *err);
/* The same from captures that are open already. */
struct gs_captures;
enum gs_status gs_profile_build(const struct gs_captures *c, const struct gs_load_options *options,
                                struct gs_profile *out, struct gs_error *err);
/* Safe on an empty profile ({0}). */
void gs_profile_free(struct gs_profile *p);

/* The sums that must hold in every profile; GS_ERR_CORRUPT with "internal: ..." when one does not.
 * gs_profile_load() has called it already. */
enum gs_status gs_profile_check(const struct gs_profile *p, struct gs_error *err);

#endif
