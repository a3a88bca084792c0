/* SPDX-License-Identifier: MIT
 * Counters in the terminal summary: of each process by state of the GIL, and of its threads.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/stats_text.h"
#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

#define MAX_PROCESSES 3
#define NAME_COLUMNS  24
#define AMOUNT_BYTES  48

static const char *amount(char buf[AMOUNT_BYTES], const struct gs_prof_counter *c, uint64_t n)
{
    bool is_time = strcmp(c->name, "task-clock") == 0 || strcmp(c->name, "cpu-clock") == 0;
    snprintf(buf, AMOUNT_BYTES, "%s", is_time ? gs_fmt_ns(n).s : gs_fmt_count(n).s);
    return buf;
}

static void put_row(const struct gs_text *t, const char *name, const struct gs_prof_counter *c,
                    const uint64_t *values, size_t n)
{
    char buf[AMOUNT_BYTES], *safe = gs_fmt_safe(name, NAME_COLUMNS);
    fprintf(t->out, " ");
    for (size_t i = 0; i < n; i++)
        fprintf(t->out, "%11s ", amount(buf, c, values[i]));
    fprintf(t->out, " %s\n", safe);
    free(safe);
}

static void put_sums(const struct gs_text *t, const struct gs_prof_counters *c)
{
    bool any = false;
    for (size_t i = 0; i < c->n_counters; i++) {
        if (c->counters[i].source == GS_COUNTER_NONE)
            continue;
        uint64_t values[5] = {gs_counters_all(c, i)};
        for (int s = 0; s < GS_N_COUNTS_STATES; s++)
            values[1 + s] = gs_counters_in(c, i, (enum gs_counts_state)s);
        values[4] = gs_counters_untold(c, i);
        if (!any)
            fprintf(t->out, " %s%11s %11s %11s %11s %11s  event%s\n", gs_text_style(t, DIM),
                    "count", "holding", "waiting", "off the GIL", "not told",
                    gs_text_style(t, RESET));
        any = true;
        put_row(t, c->counters[i].name, &c->counters[i], values, 5);
    }
}

static const char *thread_name(const struct gs_prof_process *p, int64_t thread)
{
    for (size_t i = 0; i < p->n_threads; i++)
        if (p->threads[i].thread == thread)
            return p->threads[i].name;
    return "?";
}

/* The threads that counted most of it. */
static int most_first(const void *pa, const void *pb)
{
    const struct gs_prof_counts *a = *(struct gs_prof_counts *const *)pa;
    const struct gs_prof_counts *b = *(struct gs_prof_counts *const *)pb;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static void put_threads(const struct gs_text *t, const struct gs_prof_process *p, size_t at)
{
    const struct gs_prof_counters *c = p->counters;
    const struct gs_prof_counts **rows = gs_xmalloc(c->n_counts, sizeof(*rows));
    size_t n = 0;
    for (size_t i = 0; i < c->n_counts; i++)
        if (c->counts[i].at == at && c->counts[i].thread >= 0 && c->counts[i].count)
            rows[n++] = &c->counts[i];
    if (n)
        qsort(rows, n, sizeof(*rows), most_first);
    if (n > 1) {
        char *safe = gs_fmt_safe(c->counters[at].name, NAME_COLUMNS);
        fprintf(t->out, " %s%s by thread%s\n", gs_text_style(t, DIM), safe,
                gs_text_style(t, RESET));
        free(safe);
    }
    for (size_t i = 0; n > 1 && i < n && i < t->top; i++) {
        uint64_t values[4] = {gs_counts_scaled(rows[i], rows[i]->count)};
        for (int s = 0; s < GS_N_COUNTS_STATES; s++)
            values[1 + s] = gs_counts_scaled(rows[i], rows[i]->in[s]);
        put_row(t, thread_name(p, rows[i]->thread), &c->counters[at], values, 4);
    }
    free(rows);
}

static void put_stacks(const struct gs_text *t, const struct gs_profile *p, size_t process,
                       size_t at)
{
    enum { NUMBERS = 4, BEFORE = 1 + 12 * NUMBERS + 1 };
    const struct gs_prof_counter *c = &p->processes[process].counters->counters[at];
    char buf[AMOUNT_BYTES], *safe = gs_fmt_safe(c->name, NAME_COLUMNS);
    size_t n;
    struct gs_prof_count_row *rows = gs_count_rows_of(p, process, at, &n);
    if (n)
        fprintf(t->out, " %s%s by stack%s\n", gs_text_style(t, DIM), safe, gs_text_style(t, RESET));
    for (size_t i = 0; i < n && i < t->top; i++) {
        const uint64_t *in = rows[i].in;
        uint64_t values[NUMBERS] = {gs_count_row_sum(&rows[i]), in[0], in[1], in[2]};
        fprintf(t->out, " ");
        for (size_t k = 0; k < NUMBERS; k++)
            fprintf(t->out, "%11s ", amount(buf, c, values[k]));
        fprintf(t->out, " ");
        gs_text_stack(t, p, rows[i].node, t->width > BEFORE + 20 ? t->width - BEFORE : 20);
    }
    free(rows);
    free(safe);
}

static void put_ipc(const struct gs_text *t, const struct gs_prof_counters *c)
{
    uint64_t held, off;
    if (gs_counters_ipc(c, GS_COUNTS_HOLDING, &held) && gs_counters_ipc(c, GS_COUNTS_OFF_GIL, &off))
        gs_text_line(t,
                     gs_xasprintf("Instructions a cycle: %.2f while holding the GIL, %.2f off it.",
                                  (double)held / 1000, (double)off / 1000));
}

static void put_switches(const struct gs_text *t, const struct gs_prof_process *p)
{
    int64_t at = gs_counters_find(p->counters, "context-switches");
    if (at < 0 || !p->gil.contended)
        return;
    double n = (double)gs_counters_in(p->counters, (size_t)at, GS_COUNTS_WAITING);
    gs_text_line(t,
                 gs_xasprintf("Context switches while waiting: %.2f for each of %s waits that got "
                              "the GIL.",
                              n / (double)p->gil.contended, gs_fmt_count(p->gil.contended).s));
}

/* Where it is more than rounding: multiplexing, shares by time, the kernel left out. */
static void put_remark(const struct gs_text *t, const struct gs_prof_counters *c, size_t at,
                       const char *name)
{
    const struct gs_prof_counter *one = &c->counters[at];
    double shared = 0, told = 0, least = 1;
    for (size_t i = 0; i < c->n_counts; i++) {
        const struct gs_prof_counts *r = &c->counts[i];
        if (r->at != at || r->thread < 0)
            continue;
        shared += (double)r->shared;
        told += (double)r->in[0] + (double)r->in[1] + (double)r->in[2];
        if (r->running_ns && (double)r->running_ns < (double)r->enabled_ns * least)
            least = (double)r->running_ns / (double)r->enabled_ns;
    }
    if (one->source == GS_COUNTER_PERF_USER)
        gs_text_why(t, name,
                    "kernel mode is not counted: kernel.perf_event_paranoid=1, or the "
                    "capability CAP_PERFMON, would allow it");
    if (least < 0.99)
        gs_text_line(t,
                     gs_xasprintf("%s shared the hardware: counted %.0f %% of the time at least, "
                                  "scaled to all of it.",
                                  name, least * 100));
    if (told > 0 && shared > told / 20)
        gs_text_line(t,
                     gs_xasprintf("%s: %.0f %% of what is told by state is shared by time between "
                                  "states too short to read it in each.",
                                  name, 100 * shared / told));
}

static void put_remarks(const struct gs_text *t, const struct gs_prof_counters *c, size_t at)
{
    const struct gs_prof_counter *one = &c->counters[at];
    char *name = gs_fmt_safe(one->name, NAME_COLUMNS);
    if (one->source == GS_COUNTER_NONE)
        gs_text_why(t, name, *one->why_not ? one->why_not : "not counted");
    else
        put_remark(t, c, at, name);
    free(name);
}

static void put_process(const struct gs_text *t, const struct gs_profile *profile, size_t process)
{
    const struct gs_prof_process *p = &profile->processes[process];
    char *heading = gs_xasprintf("Counters (pid %u)", p->pid);
    gs_text_heading(t, heading);
    free(heading);
    put_sums(t, p->counters);
    for (size_t i = 0; i < p->counters->n_counters; i++)
        if (p->counters->counters[i].source != GS_COUNTER_NONE) {
            put_threads(t, p, i);
            put_stacks(t, profile, process, i);
        }
    put_ipc(t, p->counters);
    put_switches(t, p);
    for (size_t i = 0; i < p->counters->n_counters; i++)
        put_remarks(t, p->counters, i);
}

void gs_text_counters(const struct gs_text *t, const struct gs_profile *p)
{
    size_t shown = 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        if (!p->processes[i].counters)
            continue;
        if (shown++ < MAX_PROCESSES)
            put_process(t, p, i);
    }
    if (shown > MAX_PROCESSES)
        fprintf(t->out, " … and %zu more processes: see stats --json\n", shown - MAX_PROCESSES);
}
