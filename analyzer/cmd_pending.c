/* SPDX-License-Identifier: MIT
 * Stand-ins for what is not written yet, so that the program links; each leaves as the real one
 * lands.
 */
#include "analyzer/profile_build.h"
#include "analyzer/stats.h"

#define PENDING __attribute__((weak))

PENDING enum gs_status gs_profile_load(const char *const *paths, size_t n_paths,
                                       const struct gs_load_options *options,
                                       struct gs_profile *out, struct gs_error *err)
{
    (void)paths, (void)n_paths, (void)options, (void)out;
    return gs_error_set(err, GS_ERR_IO, "reading captures is not written yet");
}

PENDING void gs_profile_free(struct gs_profile *p)
{
    (void)p;
}

PENDING bool gs_stats_json(const struct gs_profile *p, FILE *out)
{
    return !p && out;
}

PENDING bool gs_report_json(const struct gs_profile *p, FILE *out)
{
    return !p && out;
}

PENDING bool gs_stats_text(const struct gs_profile *p, const struct gs_text_options *o, FILE *out)
{
    return !p && o && out;
}

PENDING bool gs_stats_want_colour(FILE *out)
{
    return !out;
}
