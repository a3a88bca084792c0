/* SPDX-License-Identifier: MIT
 * gilscope whatif, for people.
 */
#include <math.h>
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/job.h"

static void put_header(const struct gs_whatif_process *p, FILE *out)
{
    char *command = gs_fmt_safe(p->command, 60);
    fprintf(out, "process %u  %s\n", p->pid, command);
    free(command);
    fprintf(out,
            "  recorded  %s, %zu threads with the GIL: %s of Python, %s of native code, %s of "
            "latency, %s waiting for each other, %s waiting for the GIL\n",
            gs_fmt_ns(p->wall_ns).s, p->n_threads, gs_fmt_ns(p->py_ns).s, gs_fmt_ns(p->native_ns).s,
            gs_fmt_ns(p->latency_ns).s, gs_fmt_ns(p->blocked_ns).s, gs_fmt_ns(p->gil_wait_ns).s);
}

static void put_ceiling(const struct gs_whatif *w, FILE *out)
{
    char *limit = gs_fmt_safe(w->limited_by, 80);
    fprintf(
        out,
        "  %u cores   at most %.2f (S_max), %.2f if Python is not faster per thread; limited by: "
        "%s\n",
        w->at.cores, w->at.s_max, w->s_max_if_not_faster, limit);
    free(limit);
    if (!isnan(w->at.s_cond_min))
        fprintf(out, "  floor     %.2f, as long as nothing is slower than assumed\n",
                w->at.s_cond_min);
}

static void put_drivers(const struct gs_whatif *w, FILE *out)
{
    const char *comma = "";
    fputs("  driven by ", out);
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++) {
        if (w->driven_by[d] < 0.05)
            continue;
        fprintf(out, "%s%s %.0f %%", comma, gs_unknown_texts[d], 100 * w->driven_by[d]);
        comma = "; ";
    }
    fputs("\n", out);
}

static void put_curve(const struct gs_whatif *w, FILE *out)
{
    fputs("  cores    ", out);
    for (size_t i = 0; i < w->n_curve; i++)
        fprintf(out, " %u: %.2f [%.2f, %.2f]", w->curve[i].cores, w->curve[i].p50, w->curve[i].p10,
                w->curve[i].p90);
    if (w->break_even_cores)
        fprintf(out, "; more than even from %u on", w->break_even_cores);
    fputs("\n", out);
}

#define LEAST_GAIN 1.01 /* of a change, to be worth a line */

static void put_changes(const struct gs_whatif *w, FILE *out)
{
    for (size_t i = 0; i < w->n_changes && w->changes[i].s > w->s_median * LEAST_GAIN; i++) {
        char *what = gs_fmt_safe(w->changes[i].what, 80);
        fprintf(out, "  %s S %.2f, in place of %.2f: %s\n", i ? "         " : "what if  ",
                w->changes[i].s, w->s_median, what);
        free(what);
    }
}

static void put_estimate(const struct gs_whatif *w, FILE *out)
{
    fprintf(out, "  estimate  S %.2f [p10 %.2f, p90 %.2f], grade %c: %s\n", w->at.p50, w->at.p10,
            w->at.p90, "ABC"[w->grade], gs_verdict_names[w->verdict]);
    put_curve(w, out);
    put_drivers(w, out);
    fprintf(out,
            "  the %s of waiting for the GIL: of it remain %s of waiting for locks, %s for queues, "
            "%s for other wake-ups; CPU time %.2f times\n",
            gs_fmt_ns(w->gil_wait_ns).s, gs_fmt_ns(w->lock_wait_ns).s,
            gs_fmt_ns(w->queue_wait_ns).s, gs_fmt_ns(w->wake_wait_ns).s, w->core_time);
    put_changes(w, out);
}

#define MOST_EXTENSIONS 6u

static void put_extensions(const struct gs_whatif_process *p, FILE *out)
{
    if (!p->n_extensions)
        return;
    fprintf(out,
            "  %zu extension modules have to be there for free-threaded Python, and say that they "
            "need no GIL (one that does not brings it back):\n           ",
            p->n_extensions);
    for (size_t i = 0; i < p->n_extensions && i < MOST_EXTENSIONS; i++) {
        char *name = gs_fmt_safe(gs_fmt_basename(p->extensions[i]), 60);
        fprintf(out, " %s", name);
        free(name);
    }
    fputs(p->n_extensions > MOST_EXTENSIONS ? " ...\n" : "\n", out);
}

/* It may hold text of the capture. */
static void put_why(const char *why, FILE *out)
{
    char *safe = gs_fmt_safe(why, 0);
    fprintf(out, "  no estimate, grade C: %s\n", safe);
    free(safe);
}

static void put_process(const struct gs_whatif_process *p, FILE *out)
{
    const struct gs_whatif *w = &p->prediction;
    put_header(p, out);
    if (p->has_program)
        put_ceiling(w, out);
    if (w->why_not || p->why_not)
        put_why(w->why_not ? w->why_not : p->why_not, out);
    else
        put_estimate(w, out);
    put_extensions(p, out);
}

bool gs_whatif_text(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out)
{
    fprintf(out, "Free-threaded Python %s, threads as recorded; mode: %s\n\n",
            options->target->name,
            gs_whatif_is_calibrated(options) ? "calibrated" : "prior (s was not measured)");
    for (size_t i = 0; i < job->n_processes; i++)
        put_process(&job->processes[i], out);
    gs_tax_text(&job->tax, out);
    gs_merged_text(&job->merged, out);
    fputs(
        "\nnot covered: whether the program is correct without the GIL; contention of objects that "
        "threads share; extensions that bring the GIL back\n",
        out);
    return !ferror(out);
}
