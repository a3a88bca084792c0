/* SPDX-License-Identifier: MIT
 * Findings about CUDA: contexts that several processes keep on one device, waits for a device with
 * the GIL held, memory that was not there, code loaded before it is needed. Thresholds stand beside
 * each rule.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/cuda_totals.h"
#include "analyzer/findings.h"
#include "analyzer/fmt_units.h"
#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

#define GIB (UINT64_C(1) << 30)

static char *copy(const char *s)
{
    return gs_xstrndup(s, strlen(s));
}

/* "Process 42: " where there are several. */
static char *process_text(const struct gs_profile *p, size_t process)
{
    return p->n_processes > 1 ? gs_xasprintf("Process %u: ", p->processes[process].pid) : copy("");
}

/* 0: nobody's. */
static uint32_t code_of(const struct gs_profile *p, uint32_t node)
{
    node = gs_profile_python_node(p, node);
    return gs_profile_is_code(p, node) ? node : 0;
}

/* ---- 1. several processes with contexts on one device at once. high: from 4 GiB ---- */

typedef __int128 time_unix; /* any start and any duration add up */

struct change { /* a process's contexts come, or go */
    const struct gs_cuda_use *use;
    time_unix t;
    bool ends;
};
struct shared {
    uint64_t processes, contexts, bytes; /* at once */
    uint64_t alone_bytes;                /* what one process has */
    uint64_t devices;
    bool at_most; /* other processes' memory may be in bytes */
};

static time_unix time_of(const struct gs_profile *p, const struct gs_cuda_use *use, bool ends)
{
    return (time_unix)p->processes[use->process].start_unix_ns +
           (ends ? use->device->last_ns : use->device->first_ns);
}

static int by_time(const void *pa, const void *pb)
{
    const struct change *a = pa, *b = pb;
    if (a->t != b->t)
        return a->t < b->t ? -1 : 1;
    if (a->ends != b->ends)
        return a->ends ? -1 : 1;
    return a->use->process < b->use->process ? -1 : a->use->process > b->use->process;
}

/* The most processes at once on the device of all n uses; adds it if there are two. */
static void add_device(const struct gs_profile *p, const struct gs_cuda_use *uses, size_t n,
                       struct shared *all)
{
    struct change *changes = gs_xmalloc(2 * n, sizeof(*changes));
    struct shared now = {0}, most = {0};
    for (size_t i = 0; i < 2 * n; i++)
        changes[i] = (struct change){&uses[i / 2], time_of(p, &uses[i / 2], i % 2), i % 2};
    qsort(changes, 2 * n, sizeof(*changes), by_time);
    for (size_t i = 0; i < 2 * n; i++) {
        const struct gs_prof_cuda_device *d = changes[i].use->device;
        now.processes += changes[i].ends ? UINT64_MAX : 1; /* one less */
        now.contexts += changes[i].ends ? 0 - d->n_contexts : d->n_contexts;
        now.bytes += changes[i].ends ? 0 - d->context_bytes : d->context_bytes;
        if (now.processes > most.processes ||
            (now.processes == most.processes && now.bytes > most.bytes))
            most = now;
    }
    free(changes);
    if (most.processes < 2)
        return;
    all->devices++;
    all->processes = most.processes > all->processes ? most.processes : all->processes;
    all->contexts += most.contexts;
    all->bytes += most.bytes;
    uint64_t alone_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        all->at_most |= uses[i].device->at_most;
        if (uses[i].device->context_bytes > alone_bytes)
            alone_bytes = uses[i].device->context_bytes;
    }
    all->alone_bytes += alone_bytes;
}

static struct shared find_shared(const struct gs_profile *p)
{
    struct shared all = {0};
    size_t n;
    struct gs_cuda_use *uses = gs_cuda_uses(p, &n);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && gs_cuda_is_same_device(&uses[i], &uses[end]);)
            end++;
        if (end - i > 1)
            add_device(p, &uses[i], end - i, &all);
    }
    free(uses);
    return all;
}

static size_t find_contexts(const struct gs_profile *p, struct gs_finding *found)
{
    struct shared s = find_shared(p);
    if (s.devices == 0)
        return 0;
    char *size = s.bytes && !s.at_most
                     ? gs_xasprintf(": %s of contexts; one process would keep %s",
                                    gs_fmt_bytes(s.bytes).s, gs_fmt_bytes(s.alone_bytes).s)
                     : copy("");
    *found = (struct gs_finding){
        .id = "cuda-contexts",
        .severity = s.bytes >= 4 * GIB && !s.at_most ? GS_SEV_HIGH : GS_SEV_MEDIUM,
        .claim = gs_xasprintf("%s processes keep %s contexts on %s device%s%s.",
                              gs_fmt_count(s.processes).s, gs_fmt_count(s.contexts).s,
                              gs_fmt_count(s.devices).s, s.devices == 1 ? "" : "s", size),
        .suggestion = copy("Let one process have the device and others hand it their work; or use "
                           "threads, or MPS; and see that workers which only prepare data do not "
                           "touch CUDA."),
        .process = -1,
        .thread = -1,
        .node = -1,
        .bytes = s.at_most || s.bytes < s.alone_bytes ? 0 : s.bytes - s.alone_bytes,
        .of_bytes = s.at_most ? 0 : s.bytes,
    };
    free(size);
    return 1;
}

/* ---- 2. waits for a device with the GIL held: others waited 3 % of the run. high: 10 % ---- */

static bool waits_for_device(uint32_t op)
{
    return op == GS_CUDA_OP_SYNC || op == GS_CUDA_OP_COPY;
}

static size_t most_blamed(const struct gs_profile *p)
{
    size_t most = p->n_processes;
    uint64_t ns = 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        if (!c || c->sync_blamed_ns <= ns)
            continue;
        ns = c->sync_blamed_ns;
        most = i;
    }
    return most;
}

/* " (most in cuStreamSynchronize)" */
static char *worst_call(const struct gs_prof_cuda *c)
{
    const struct gs_prof_cuda_call *worst = NULL;
    for (size_t i = 0; i < c->n_calls; i++)
        if (waits_for_device(c->calls[i].op) && (!worst || c->calls[i].held_ns > worst->held_ns))
            worst = &c->calls[i];
    if (!worst)
        return copy("");
    char *name = gs_cuda_name_of(worst), *safe = gs_fmt_safe(name, 40);
    char *out = gs_xasprintf(" (most in %s)", safe);
    free(name);
    free(safe);
    return out;
}

/* The stack of such calls that is blamed most; 0: none. */
static uint32_t worst_stack(const struct gs_profile *p, const struct gs_prof_cuda *c)
{
    for (size_t i = 0; i < c->n_held && c->held[i].blamed_ns; i++) /* most blamed first */
        if (waits_for_device(c->held[i].op) && code_of(p, c->held[i].node))
            return code_of(p, c->held[i].node);
    return 0;
}

static size_t find_sync(const struct gs_profile *p, struct gs_finding *found)
{
    size_t process = most_blamed(p);
    if (process == p->n_processes)
        return 0;
    const struct gs_prof_process *q = &p->processes[process];
    const struct gs_prof_cuda *c = q->cuda;
    uint64_t permille = gs_permille(c->sync_blamed_ns, q->duration_ns);
    if (permille < 30)
        return 0;
    uint32_t node = worst_stack(p, c);
    char *where = process_text(p, process), *call = worst_call(c);
    char *place = node ? gs_place_text(p, node) : NULL;
    *found = (struct gs_finding){
        .id = "cuda-sync-under-gil",
        .severity = permille >= 100 ? GS_SEV_HIGH : GS_SEV_MEDIUM,
        .claim = gs_xasprintf("%s%s of %s waiting for devices%s held the GIL; other threads waited "
                              "%s meanwhile%s%s.",
                              where, gs_fmt_ns(c->sync_under_gil_ns).s, gs_fmt_ns(c->sync_ns).s,
                              call, gs_fmt_ns(c->sync_blamed_ns).s, place ? ", most at " : "",
                              place ? place : ""),
        .suggestion = copy("A call such as .item(), .cpu() or print() of a tensor waits for all "
                           "work of the device: do it less often, copy to pinned memory without "
                           "waiting, or use an extension that releases the GIL."),
        .process = (int64_t)process,
        .thread = -1,
        .node = node ? (int64_t)node : -1,
        .ns = c->sync_blamed_ns,
        .of_ns = q->duration_ns,
    };
    free(where);
    free(call);
    free(place);
    return 1;
}

/* ---- 3. out of memory ---- */

static size_t first_oom(const struct gs_profile *p)
{
    size_t i = 0;
    while (i < p->n_processes && !(p->processes[i].cuda && p->processes[i].cuda->n_ooms))
        i++;
    return i;
}

/* ", 4.0 GiB of it allocated at `step` (train.py:88)" */
static char *holder_text(const struct gs_profile *p, const struct gs_prof_cuda_oom *oom)
{
    uint32_t node = oom->n_top ? code_of(p, oom->top[0].node) : 0;
    if (!node)
        return copy("");
    char *place = gs_place_text(p, node);
    char *out =
        gs_xasprintf(", %s of it allocated at %s", gs_fmt_bytes(oom->top[0].live_bytes).s, place);
    free(place);
    return out;
}

static size_t find_oom(const struct gs_profile *p, struct gs_finding *found)
{
    size_t process = first_oom(p);
    if (process == p->n_processes)
        return 0;
    const struct gs_prof_cuda *c = p->processes[process].cuda;
    const struct gs_prof_cuda_oom *oom = &c->ooms[0];
    char *where = process_text(p, process), *holder = holder_text(p, oom);
    char *name = gs_cuda_call_text(c, oom->call), *call = gs_fmt_safe(name, 40);
    *found = (struct gs_finding){
        .id = "cuda-oom",
        .severity = GS_SEV_HIGH,
        .claim = gs_xasprintf("%sA device had no memory left, %s time%s: after %s %s asked for %s "
                              "while this process had %s%s.",
                              where, gs_fmt_count(c->oom_count).s, c->oom_count == 1 ? "" : "s",
                              gs_fmt_ns(oom->t_ns).s, call, gs_fmt_bytes(oom->asked_bytes).s,
                              gs_fmt_bytes(oom->live_bytes).s, holder),
        .suggestion =
            copy("See what lived then under \"oom\" of stats --json, and in the report; a "
                 "library that caches memory may have freed some and tried again."),
        .process = (int64_t)process,
        .thread = -1,
        .node = code_of(p, oom->node) ? (int64_t)code_of(p, oom->node) : -1,
        .bytes = oom->live_bytes,
        .of_bytes = gs_cuda_total_of(c, oom->device),
    };
    free(where);
    free(holder);
    free(name);
    free(call);
    return 1;
}

/* ---- 4. modules loaded eagerly ---- */

static size_t find_eager(const struct gs_profile *p, struct gs_finding *found)
{
    size_t i = 0;
    while (i < p->n_processes &&
           !(p->processes[i].cuda && p->processes[i].cuda->loading == GS_CUDA_LOADING_EAGER &&
             p->processes[i].cuda->n_contexts))
        i++;
    if (i == p->n_processes)
        return 0;
    const struct gs_prof_cuda *c = p->processes[i].cuda;
    char *where = process_text(p, i);
    *found = (struct gs_finding){
        .id = "cuda-eager-loading",
        .severity = GS_SEV_LOW,
        .claim = gs_xasprintf("%sThe driver loads all code of a module at once: %s module%s of %s "
                              "%s loaded eagerly.",
                              where, gs_fmt_count(c->modules_loaded).s,
                              c->modules_loaded == 1 ? "" : "s", gs_fmt_bytes(c->image_bytes).s,
                              c->modules_loaded == 1 ? "was" : "were"),
        .suggestion = copy("Set CUDA_MODULE_LOADING=LAZY, as newer drivers do by themselves: "
                           "contexts start sooner and take less memory."),
        .process = (int64_t)i,
        .thread = -1,
        .node = -1,
        .bytes = c->image_bytes,
        .of_bytes = c->image_bytes,
    };
    free(where);
    return 1;
}

size_t gs_findings_of_cuda(const struct gs_profile *p, struct gs_finding found[GS_CUDA_FINDINGS])
{
    size_t n = find_contexts(p, found);
    n += find_sync(p, found + n);
    n += find_oom(p, found + n);
    return n + find_eager(p, found + n);
}
