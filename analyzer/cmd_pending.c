/* SPDX-License-Identifier: MIT
 * Stand-ins for what is not written yet, so that the program links; each leaves as the real one
 * lands.
 */
#include "analyzer/profile_process.h"
#include "analyzer/stats.h"

#define PENDING __attribute__((weak))

PENDING bool gs_stats_text(const struct gs_profile *p, const struct gs_text_options *o, FILE *out)
{
    return !p && o && out;
}

PENDING bool gs_stats_want_colour(FILE *out)
{
    return !out;
}

PENDING void gs_findings_make(struct gs_profile *p)
{
    (void)p;
}
