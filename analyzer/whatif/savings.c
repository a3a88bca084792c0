/* SPDX-License-Identifier: MIT
 * What a report's overview says of the prediction.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/profile.h"
#include "analyzer/whatif/job.h"
#include "analyzer/xalloc.h"

static char *claim_of_number(const struct gs_whatif_process *p, const char *target)
{
    static const char *const words[] = {"would gain", "would change little", "would lose", "", ""};
    const struct gs_speedup *at = &p->prediction.at;
    return gs_xasprintf(
        "On free-threaded Python %s and %u cores this program %s: %.2f times as fast "
        "[p10 %.2f, p90 %.2f], grade %c.",
        target, at->cores, words[p->prediction.verdict], at->p50, at->p10, at->p90,
        "ABC"[p->prediction.grade]);
}

static char *claim_of_ceiling(const struct gs_whatif_process *p, const char *target)
{
    const struct gs_speedup *at = &p->prediction.at;
    if (!p->has_program)
        return gs_xasprintf("What free-threaded Python %s would bring cannot be said.", target);
    return gs_xasprintf(
        "On free-threaded Python %s and %u cores this program would be at most %.2f "
        "times as fast; how fast cannot be said.",
        target, at->cores, at->s_max);
}

static char *suggestion_for(const struct gs_whatif_process *p, const char *why_not)
{
    if (p->verdict == GS_VERDICT_BLOCKED)
        return gs_xasprintf("First %s: %zu that it imports %s not say that they need no GIL, and "
                            "would bring it back.",
                            p->n_answers[GS_GIL_NOT_SAID] > 1 ? "port its extension modules"
                                                              : "port an extension module",
                            p->n_answers[GS_GIL_NOT_SAID],
                            p->n_answers[GS_GIL_NOT_SAID] > 1 ? "do" : "does");
    if (why_not)
        return gs_xasprintf("There is no number, as %s.", why_not);
    return gs_xasprintf("What limits it then: %s.", p->prediction.limited_by);
}

static enum gs_severity severity_of(const struct gs_whatif_process *p)
{
    if (isnan(p->prediction.at.p10) || p->prediction.verdict == GS_VERDICT_NEUTRAL)
        return GS_SEV_LOW;
    return p->prediction.at.p10 > 1.5 ? GS_SEV_HIGH : GS_SEV_MEDIUM;
}

void gs_savings_add_finding(struct gs_profile *p, const struct gs_savings *s)
{
    if (!s->job->n_processes)
        return;
    const struct gs_whatif_process *most = &s->job->processes[0];
    const char *target = s->options->target->name;
    const char *why_not = most->why_not ? most->why_not : most->prediction.why_not;
    bool has_number = most->has_program && !isnan(most->prediction.at.p50);
    struct gs_finding f = {.id = "savings",
                           .severity = severity_of(most),
                           .claim = has_number ? claim_of_number(most, target)
                                               : claim_of_ceiling(most, target),
                           .suggestion = suggestion_for(most, why_not),
                           .process = -1,
                           .thread = -1,
                           .node = -1};
    for (size_t i = 0; i < p->n_processes; i++)
        if (p->processes[i].key == most->key)
            f.process = (int64_t)i;
    size_t cap = 0;
    GS_RESERVE(p->findings, p->n_findings + 1, cap);
    memmove(p->findings + 1, p->findings, p->n_findings * sizeof(*p->findings));
    p->findings[0] = f;
    p->n_findings++;
}
