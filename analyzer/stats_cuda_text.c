/* SPDX-License-Identifier: MIT
 * CUDA in the terminal summary: what contexts take, who has the devices' memory, which calls held
 * the GIL.
 */
#include <stdlib.h>

#include "analyzer/cuda_totals.h"
#include "analyzer/fmt_units.h"
#include "analyzer/stats_text.h"
#include "analyzer/xalloc.h"

#define MAX_PROCESSES 3
#define MAX_DEVICES   8
#define MAX_OOMS      3

/* ---- devices ---- */

static void put_device(const struct gs_text *t, const struct gs_prof_cuda_device *d)
{
    char *name = gs_fmt_safe(*d->name ? d->name : "?", t->width - 54);
    bool known = d->source != GS_CUDA_SOURCE_UNKNOWN;
    char *take =
        known ? gs_xasprintf("%s%s", d->at_most ? "<=" : "", gs_fmt_bytes(d->context_bytes).s)
              : gs_xasprintf("?");
    fprintf(t->out, " %6u %8s %11s %11s %11s  %s\n", d->device, gs_fmt_count(d->n_contexts).s, take,
            gs_fmt_bytes(d->allocated_bytes).s, d->used_bytes ? gs_fmt_bytes(d->used_bytes).s : "?",
            name);
    free(take);
    free(name);
}

static void put_devices(const struct gs_text *t, const struct gs_prof_cuda *c)
{
    size_t shown = 0;
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct gs_prof_cuda_device *d = &c->devices[i];
        if (!d->n_contexts && !d->used_bytes)
            continue; /* there, but not used */
        if (shown == 0)
            fprintf(t->out, " %s%6s %8s %11s %11s %11s  name%s\n", gs_text_style(t, DIM), "device",
                    "contexts", "they take", "allocated", "used", gs_text_style(t, RESET));
        if (shown++ < MAX_DEVICES)
            put_device(t, d);
    }
    if (shown > MAX_DEVICES)
        fprintf(t->out, " … and %zu more: see stats --json\n", shown - MAX_DEVICES);
    if (c->no_nvml)
        gs_text_why(t, "what the process uses is not known", c->no_nvml);
}

/* ---- memory ---- */

/* "device 4.0 MiB, host 64.0 KiB" */
static char *kinds_text(const uint64_t *bytes)
{
    char *out = NULL;
    for (size_t i = 0; i < GS_N_CUDA_SHOWN; i++) {
        if (!bytes[i])
            continue;
        char *longer = gs_xasprintf("%s%s%s %s", out ? out : "", out ? ", " : "",
                                    gs_cuda_kind_keys[i], gs_fmt_bytes(bytes[i]).s);
        free(out);
        out = longer;
    }
    return out ? out : gs_xasprintf("nothing");
}

static void put_oom(const struct gs_text *t, const struct gs_prof_cuda *c,
                    const struct gs_prof_cuda_oom *oom)
{
    char *call = gs_cuda_call_text(c, oom->call), *safe = gs_fmt_safe(call, 40);
    gs_text_line(t, gs_xasprintf("Out of memory after %s: %s asked for %s while %s lived.",
                                 gs_fmt_ns(oom->t_ns).s, safe, gs_fmt_bytes(oom->asked_bytes).s,
                                 gs_fmt_bytes(oom->live_bytes).s));
    free(call);
    free(safe);
}

static void put_memory(const struct gs_text *t, const struct gs_prof_cuda *c)
{
    if (!c->allocations && !c->failed && !c->peak_bytes)
        return;
    char *live = kinds_text(c->by_kind), *peak = kinds_text(c->peak_by_kind);
    gs_text_line(t, gs_xasprintf("Memory of devices: at most %s (after %s), %s at the end; %s "
                                 "allocations, %s frees, %s failed.",
                                 gs_fmt_bytes(c->peak_bytes).s, gs_fmt_ns(c->peak_t_ns).s,
                                 gs_fmt_bytes(c->live_bytes).s, gs_fmt_count(c->allocations).s,
                                 gs_fmt_count(c->frees).s, gs_fmt_count(c->failed).s));
    gs_text_line(t, gs_xasprintf("By kind at most: %s; at the end: %s.", peak, live));
    free(live);
    free(peak);
    for (size_t i = 0; i < c->n_ooms && i < MAX_OOMS; i++)
        put_oom(t, c, &c->ooms[i]);
    if (c->oom_count > MAX_OOMS)
        fprintf(t->out, " … and %s more times\n", gs_fmt_count(c->oom_count - MAX_OOMS).s);
}

static void put_stacks(const struct gs_text *t, const struct gs_profile *p, size_t process)
{
    size_t n;
    struct gs_prof_cuda_row *rows = gs_cuda_top_stacks(p, process, &n);
    if (n && rows[0].peak_bytes)
        fprintf(t->out, " %s%11s %11s %11s  allocated at%s\n", gs_text_style(t, DIM), "at peak",
                "at the end", "times", gs_text_style(t, RESET));
    for (size_t i = 0; i < n && i < t->top && rows[i].peak_bytes; i++) {
        fprintf(t->out, " %11s %11s %11s  ", gs_fmt_bytes(rows[i].peak_bytes).s,
                gs_fmt_bytes(rows[i].live_bytes).s, gs_fmt_count(rows[i].allocations).s);
        gs_text_stack(t, p, rows[i].node, t->width - 39);
    }
    free(rows);
}

/* ---- time ---- */

static void put_time(const struct gs_text *t, const struct gs_prof_cuda *c)
{
    if (c->sync_ns)
        gs_text_line(t,
                     gs_xasprintf("Waited %s for devices, %s of it (%s) with the GIL held; other "
                                  "threads waited %s meanwhile.",
                                  gs_fmt_ns(c->sync_ns).s, gs_fmt_ns(c->sync_under_gil_ns).s,
                                  gs_fmt_percent(c->sync_under_gil_ns, c->sync_ns).s,
                                  gs_fmt_ns(c->sync_blamed_ns).s));
    if (c->under_gil_ns)
        gs_text_line(t, gs_xasprintf("All calls together held the GIL for %s; others waited %s "
                                     "meanwhile.",
                                     gs_fmt_ns(c->under_gil_ns).s, gs_fmt_ns(c->blamed_ns).s));
    if (c->launches)
        gs_text_line(t, gs_xasprintf("%s launch%s took %s.", gs_fmt_count(c->launches).s,
                                     c->launches == 1 ? "" : "es", gs_fmt_ns(c->launch_ns).s));
}

static void put_held_row(const struct gs_text *t, const struct gs_profile *p,
                         const struct gs_prof_cuda *c, const struct gs_prof_cuda_held *h)
{
    char *call = h->not_sampled ? gs_cuda_op_text(h->op) : gs_cuda_call_text(c, h->call);
    char *safe = gs_fmt_safe(call, 24);
    fprintf(t->out, " %9s %9s %9s  %-24s ", gs_fmt_ns(h->blamed_ns).s, gs_fmt_ns(h->held_ns).s,
            gs_fmt_count(h->count).s, safe);
    gs_text_stack(t, p, h->node, t->width - 57);
    free(call);
    free(safe);
}

static void put_held(const struct gs_text *t, const struct gs_profile *p,
                     const struct gs_prof_cuda *c)
{
    size_t shown = 0;
    for (size_t i = 0; i < c->n_held && shown < t->top; i++) {
        if (!c->held[i].held_ns)
            continue;
        if (shown++ == 0)
            fprintf(t->out, " %s%9s %9s %9s  %-24s stack%s\n", gs_text_style(t, DIM), "blamed",
                    "held", "times", "call", gs_text_style(t, RESET));
        put_held_row(t, p, c, &c->held[i]);
    }
}

/* ---- all ---- */

static void put_job(const struct gs_text *t, const struct gs_cuda_totals *job)
{
    gs_text_heading(t, "CUDA of the job");
    gs_text_line(
        t, gs_xasprintf("%s processes have %s contexts on %s device%s, which take %s; memory "
                        "of devices at most %s in sum, %s at the end; others waited %s for the "
                        "GIL while calls held it.",
                        gs_fmt_count(job->processes).s, gs_fmt_count(job->contexts).s,
                        gs_fmt_count(job->devices).s, job->devices == 1 ? "" : "s",
                        gs_fmt_bytes(job->context_bytes).s, gs_fmt_bytes(job->peak_bytes).s,
                        gs_fmt_bytes(job->live_bytes).s, gs_fmt_ns(job->blamed_ns).s));
}

static void put_process(const struct gs_text *t, const struct gs_profile *p, size_t process)
{
    const struct gs_prof_cuda *c = p->processes[process].cuda;
    char *heading = gs_xasprintf("CUDA (pid %u)", p->processes[process].pid);
    gs_text_heading(t, heading);
    free(heading);
    if (c->no_cuda)
        gs_text_why(t, "not recorded", c->no_cuda);
    put_devices(t, c);
    put_memory(t, c);
    put_stacks(t, p, process);
    put_time(t, c);
    put_held(t, p, c);
}

struct ranked {
    size_t process;
    uint64_t bytes, ns;
};

static int by_size(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->process < b->process ? -1 : a->process > b->process;
}

static bool is_used(const struct gs_prof_cuda *c)
{
    return c && (c->n_contexts || c->n_calls || c->peak_bytes);
}

/* Those with most memory; of a job their sum first. Why nothing is recorded is said where nothing
 * is, once. */
void gs_text_cuda(const struct gs_text *t, const struct gs_profile *p)
{
    struct gs_cuda_totals job = gs_cuda_totals(p);
    struct ranked *all = gs_xmalloc(p->n_processes, sizeof(*all));
    size_t n = 0, idle = p->n_processes;
    for (size_t i = p->n_processes; i-- > 0;) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        if (is_used(c))
            all[n++] = (struct ranked){i, c->peak_bytes, c->under_gil_ns};
        else if (c && c->no_cuda)
            idle = i;
    }
    if (n)
        qsort(all, n, sizeof(*all), by_size);
    if (job.processes > 1)
        put_job(t, &job);
    for (size_t i = 0; i < n && i < MAX_PROCESSES; i++)
        put_process(t, p, all[i].process);
    if (n > MAX_PROCESSES)
        fprintf(t->out, " … and %zu more: see stats --json\n", n - MAX_PROCESSES);
    if (n == 0 && idle < p->n_processes)
        put_process(t, p, idle);
    free(all);
}
