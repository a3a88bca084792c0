/* SPDX-License-Identifier: MIT
 * gilscope whatif, for people.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/job.h"
#include "analyzer/xalloc.h"

static void put_header(const struct gs_whatif_process *p, FILE *out)
{
    char *command = gs_fmt_safe(p->command, 60);
    fprintf(out, "process %u  %s\n", p->pid, command);
    free(command);
    fprintf(
        out,
        "  recorded  %s, %zu threads with the GIL: %s of Python, %s of its garbage collections, %s "
        "of native code, %s of latency, %s waiting for each other, %s waiting for the GIL\n",
        gs_fmt_ns(p->wall_ns).s, p->n_threads, gs_fmt_ns(p->py_ns).s, gs_fmt_ns(p->gc_ns).s,
        gs_fmt_ns(p->native_ns).s, gs_fmt_ns(p->latency_ns).s, gs_fmt_ns(p->blocked_ns).s,
        gs_fmt_ns(p->gil_wait_ns).s);
}

static void put_latency(const char *what, const struct gs_latency *l, FILE *out)
{
    fprintf(out, "%s %.1f, %.1f, %.1f ms", what, l->p50 / 1e6, l->p90 / 1e6, l->p99 / 1e6);
}

static void put_rates(const struct gs_whatif_process *p, FILE *out)
{
    const struct gs_whatif *w = &p->prediction;
    char *what = gs_fmt_safe(p->progress, 80);
    fprintf(out, "  progress  %zu %s; %.1f per second", p->n_marks, what, w->per_s);
    if (!isnan(w->gil_per_s))
        fprintf(out, ", at most %.1f with the GIL, %.1f without", w->gil_per_s,
                w->gil_per_s * w->at.p50);
    fputs("\n", out);
    free(what);
}

/* A batch has one answer, and needs no words for it. */
static void put_kind(const struct gs_whatif_process *p, FILE *out)
{
    const struct gs_whatif *w = &p->prediction;
    if (p->kind == GS_KIND_BATCH)
        return;
    fprintf(out, "  kind      %s%s\n",
            p->kind == GS_KIND_LOOP ? "a loop: S is of what it does per second"
                                    : "open arrivals: S is of the most that it can do per second",
            p->kind_is_guess ? ", as it seems; --kind says otherwise" : "");
    if (!isnan(w->per_s))
        put_rates(p, out);
    if (p->kind != GS_KIND_ARRIVALS || isnan(w->recorded.p50))
        return;
    fputs("  latency   half, 9 of 10, 99 of 100 within:", out);
    put_latency(" recorded", &w->recorded, out);
    put_latency("; replayed with the GIL", &w->with_gil, out);
    put_latency(", without", &w->without, out);
    fputs("\n", out);
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
    if (w->driven_by_none >= 0.05)
        fprintf(out, "%s%.0f %% by no one of them alone", comma, 100 * w->driven_by_none);
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
    for (size_t i = 0; i < w->n_changes && w->changes[i].s > w->changes[i].now * LEAST_GAIN; i++) {
        char *what = gs_fmt_safe(w->changes[i].what, 80);
        fprintf(out, "  %s S %.2f, in place of %.2f: %s\n", i ? "         " : "what if  ",
                w->changes[i].s, w->changes[i].now, what);
        free(what);
    }
}

static void put_part(const char *what, int64_t ns, FILE *out)
{
    char *safe = gs_fmt_safe(what, 60);
    fprintf(out, "%s%s %s", ns < 0 ? "-" : "", gs_fmt_ns((uint64_t)llabs(ns)).s, safe);
    free(safe);
}

#define LEAST_PART 200u /* of the wait, to be worth a word: a 200th */

/* The numbers add up to the wait. */
static void put_migration(const struct gs_whatif *w, FILE *out)
{
    static const char *const texts[GS_N_TIMES] = {"",
                                                  "",
                                                  "wait for other locks",
                                                  "on other queues",
                                                  "for other wake-ups",
                                                  "in I/O or asleep",
                                                  "for a core or to be woken",
                                                  "idle before they begin or at the end"};
    const struct gs_migration *m = &w->migration;
    int64_t small_ns = 0;
    fprintf(out, "  GIL wait  removed %s of all threads: ", gs_fmt_ns(m->gil_wait_ns).s);
    put_part("became running", gs_migration_running_ns(m), out);
    for (size_t k = 0; k < m->n_parts; k++) {
        const struct gs_time_part *part = &m->parts[(k + GS_N_TIMES) % m->n_parts];
        if (part->kind <= GS_TIME_NATIVE)
            continue;
        if ((uint64_t)llabs(part->became_ns) * LEAST_PART < m->gil_wait_ns) {
            small_ns += part->became_ns;
            continue;
        }
        fputs(", ", out);
        char *what = part->what ? gs_xasprintf("wait for %s", part->what) : NULL;
        put_part(what ? what : texts[part->kind], part->became_ns, out);
        free(what);
    }
    if (small_ns) {
        fputs(", ", out);
        put_part("else", small_ns, out);
    }
    fputs("\n", out);
}

static void put_estimate(const struct gs_whatif_process *p, FILE *out)
{
    const struct gs_whatif *w = &p->prediction;
    fprintf(
        out,
        "  estimate  S %.2f [p10 %.2f, p90 %.2f], grade %c: %s%s, as %.0f %% of the draws say\n",
        w->at.p50, w->at.p10, w->at.p90, "ABC"[w->grade],
        p -> verdict == GS_VERDICT_BLOCKED ? "blocked; once it is not " : "",
        gs_verdict_names[w->verdict], 100 * w->verdict_share);
    put_curve(w, out);
    put_drivers(w, out);
    put_migration(w, out);
    fprintf(out, "  CPU time  %.2f times that of the recording\n", w->core_time);
    put_changes(w, out);
}

#define MOST_EXTENSIONS 6u

static void put_names(const struct gs_whatif_process *p, enum gs_gil_answer answer, FILE *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_extensions && n <= MOST_EXTENSIONS; i++) {
        if (p->extensions[i].answer != answer)
            continue;
        char *name = gs_fmt_safe(gs_fmt_basename(p->extensions[i].path), 60);
        fprintf(out, " %s", n++ < MOST_EXTENSIONS ? name : "...");
        free(name);
    }
    fputs("\n", out);
}

/* Of those that are not known one reason, which mostly is the same for all. */
static void put_unknown(const struct gs_whatif_process *p, FILE *out)
{
    const char *why = NULL;
    for (size_t i = 0; i < p->n_extensions && !why; i++)
        why = p->extensions[i].why;
    fprintf(out, "            %zu not known (%s):", p->n_answers[GS_GIL_UNKNOWN], why);
    put_names(p, GS_GIL_UNKNOWN, out);
}

static void put_extensions(const struct gs_whatif_process *p, FILE *out)
{
    const struct gs_range_of *s = &p->prediction.if_gil_is_back;
    if (!p->n_extensions)
        return;
    fprintf(out,
            "  extensions %zu have to be there for free-threaded Python; %zu say that they need "
            "no GIL\n",
            p->n_extensions, p->n_answers[GS_GIL_NOT_NEEDED]);
    if (p->n_answers[GS_GIL_NOT_SAID]) {
        fprintf(out, "            %zu do not say so, and bring it back",
                p->n_answers[GS_GIL_NOT_SAID]);
        if (p->has_program)
            fprintf(out, " (S %.2f [p10 %.2f, p90 %.2f] until ported)", s->p50, s->p10, s->p90);
        fputs(":", out);
        put_names(p, GS_GIL_NOT_SAID, out);
    }
    if (p->n_answers[GS_GIL_UNKNOWN])
        put_unknown(p, out);
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
    if (p->has_program) {
        put_kind(p, out);
        put_ceiling(w, out);
    }
    if (w->why_not || p->why_not)
        put_why(w->why_not ? w->why_not : p->why_not, out);
    else
        put_estimate(p, out);
    put_extensions(p, out);
}

/* What does not come into the draws is not listed. */
static void put_measured(const struct gs_calibration *c, FILE *out)
{
    bool has[GS_N_UNKNOWNS] = {
        [GS_UNKNOWN_CAP] = c,
        [GS_UNKNOWN_S] = c && c->has_s,
        [GS_UNKNOWN_THREADS] = c && c->has_threads,
        [GS_UNKNOWN_WAKE] = c && c->has_wake,
        [GS_UNKNOWN_GC] = c && c->has_gc,
    };
    for (int measured = 1; measured >= 0; measured--) {
        const char *before = measured ? "measured: " : "assumed:  ";
        for (unsigned d = 0; d < GS_N_UNKNOWNS; d++) {
            bool is_drawn = d != GS_UNKNOWN_THREADS || has[GS_UNKNOWN_S];
            if (has[d] != measured || !is_drawn)
                continue;
            const char *text = gs_unknown_texts[d];
            fprintf(out, "%s%.*s", before, (int)strcspn(text, ":"), text);
            before = "; ";
        }
        fputs(*before == ';' ? "\n" : "", out);
    }
    fputs("\n", out);
}

bool gs_whatif_text(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out)
{
    fprintf(out, "Free-threaded Python %s, threads as recorded; mode: %s; engine %s\n",
            options->target->name,
            gs_whatif_is_calibrated(options) ? "calibrated" : "prior (s was not measured)",
            job->engine);
    put_measured(options->calibration, out);
    for (size_t i = 0; i < job->n_processes; i++)
        put_process(&job->processes[i], out);
    gs_whatif_memory_text(&job->memory, out);
    gs_tax_text(&job->tax, out);
    gs_merged_text(&job->merged, out);
    fputs(
        "\nnot covered: whether the program is correct without the GIL; contention of objects that "
        "threads share; modules that are imported only without the GIL\n",
        out);
    return !ferror(out);
}
