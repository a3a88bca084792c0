/* SPDX-License-Identifier: MIT
 * From numbers to sentences: what costs most, where it is, what to do. The code that is blamed most
 * comes first; the others follow by severity, then by the time they cost. Thresholds stand beside
 * each rule.
 */
#include "analyzer/findings.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/idmap.h"
#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

#define MAX_FINDINGS 7
#define ROOM         (MAX_FINDINGS + GS_MEMORY_FINDINGS + GS_CUDA_FINDINGS) /* while they are made */
#define MAX_CULPRITS 3
#define MS           UINT64_C(1000000)

/* ---- the job's totals ---- */

uint64_t gs_thread_wall_ns(const struct gs_prof_thread *t)
{
    return t->last_ns > t->first_ns ? t->last_ns - t->first_ns : 0;
}

struct gs_job gs_job_totals(const struct gs_profile *p)
{
    struct gs_job job = {.all_free_threaded = p->n_processes > 0};
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_process *q = &p->processes[i];
        job.wait_ns += q->gil.wait_ns;
        job.hold_ns += q->gil.hold_ns;
        job.unknown_ns += q->gil.unknown_holder_ns;
        job.acquisitions += q->gil.acquisitions;
        job.contended += q->gil.contended;
        job.lost_chunks += q->lost_chunks;
        job.all_free_threaded &= q->free_threaded;
        for (size_t k = 0; k < q->n_threads; k++) {
            const struct gs_prof_thread *t = &q->threads[k];
            uint64_t wall = gs_thread_wall_ns(t);
            if (t->thread == GS_THREAD_ENDED)
                continue; /* many, and nobody's life */
            job.n_threads++;
            if (t->wait_ns == 0 || gs_permille(t->wait_ns, wall) < 10)
                continue; /* below 1 % nobody would notice */
            job.n_victims++;
            job.victim_wait_ns += t->wait_ns;
            job.victim_wall_ns += wall;
        }
    }
    return job;
}

/* Nobody would notice: less than 1 ms in all, or less than 0.1 % of the threads' time. */
static bool is_free(const struct gs_job *job)
{
    return job->wait_ns < MS || job->n_victims == 0;
}

/* ---- functions that held while others waited ---- */

static int by_blame(const void *pa, const void *pb)
{
    const struct gs_culprit *a = pa, *b = pb;
    if (a->blamed_ns != b->blamed_ns)
        return a->blamed_ns > b->blamed_ns ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* On a machine with too few CPUs a thread that holds the GIL may wait for one: that is no C call.
 * Of a thread's time its share on a CPU counts; all of it where nothing is known. */
static uint64_t on_cpu(const struct gs_profile *p, const struct gs_prof_row *row)
{
    const struct gs_prof_thread *t = &p->processes[row->process].threads[row->thread];
    unsigned __int128 all = (unsigned __int128)t->cpu_ns + t->runqueue_ns;
    return all ? (uint64_t)(row->long_hold_ns * (unsigned __int128)t->cpu_ns / all)
               : row->long_hold_ns;
}

static bool is_c_call(const struct gs_culprit *c)
{
    return c->long_count && c->long_cpu_ns / c->long_count >= GS_LONG_HOLD_NS;
}

/* Whether the row's stack is the one to name. */
static bool add_row(const struct gs_profile *p, struct gs_culprit *c, const struct gs_prof_row *row,
                    uint64_t *line_ns, uint64_t *best_line_ns)
{
    c->long_cpu_ns += on_cpu(p, row);
    c->blamed_ns += row->blamed_ns;
    c->hold_ns += row->hold_ns;
    c->long_ns += row->long_hold_ns;
    c->long_count += row->long_holds;
    *line_ns += row->blamed_ns;
    if (c->node != 0 && *line_ns <= *best_line_ns)
        return false;
    *best_line_ns = *line_ns; /* the function's heaviest line so far, by a stack that ends in it */
    c->process = row->process;
    c->line_ns = *line_ns;
    return true;
}

/* The function of each frame, numbered from 1 as they are met; 0: not met yet. */
struct functions {
    uint32_t *of_frame;
    struct gs_idmap strings, map;
};

/* A function's frames share file and func pointers (strings are shared), so that pair is its key.
 */
static uint32_t function_of(struct functions *f, const struct gs_profile *p, uint32_t frame)
{
    if (!f->of_frame[frame]) {
        uint32_t file = gs_idmap_add(&f->strings, (uintptr_t)p->frames[frame].file);
        uint32_t func = gs_idmap_add(&f->strings, (uintptr_t)p->frames[frame].func);
        f->of_frame[frame] = gs_idmap_add(&f->map, gs_pack32(file, func)) + 1;
    }
    return f->of_frame[frame] - 1;
}

struct gs_culprit *gs_culprits_make(const struct gs_profile *p, size_t *n_out)
{
    struct functions f = {.of_frame = gs_xcalloc(p->n_frames, sizeof(*f.of_frame))};
    struct gs_culprit *all = gs_xcalloc(p->n_frames, sizeof(*all));
    uint64_t *best = gs_xcalloc(p->n_frames, sizeof(*best)); /* by function */
    uint64_t *line_ns = gs_xcalloc(p->n_frames, sizeof(*line_ns));
    for (size_t i = 0; i < p->n_rows; i++) {
        const struct gs_prof_row *row = &p->rows[i];
        uint32_t node = gs_profile_python_node(p, row->node);
        if (!gs_profile_is_code(p, node) || !(row->blamed_ns | row->hold_ns))
            continue;
        uint32_t frame = p->nodes[node].frame, at = function_of(&f, p, frame);
        if (add_row(p, &all[at], row, &line_ns[frame], &best[at]))
            all[at].node = node;
    }
    *n_out = f.map.n;
    if (*n_out)
        qsort(all, *n_out, sizeof(*all), by_blame);
    gs_idmap_free(&f.map);
    gs_idmap_free(&f.strings);
    free(f.of_frame);
    free(best);
    free(line_ns);
    return all;
}

/* "`parse` (app.py:42)" */
char *gs_place_text(const struct gs_profile *p, uint32_t node)
{
    const struct gs_prof_frame *f = &p->frames[p->nodes[node].frame];
    const char *where = gs_fmt_basename(*f->file ? f->file : f->module);
    char *func = gs_fmt_safe(f->func, 60), *file = gs_fmt_safe(where, 60), *out;
    if (f->line > 0)
        out = gs_xasprintf("`%s` (%s:%d)", func, file, f->line);
    else
        out = gs_xasprintf("`%s` (%s)", func, file);
    free(func);
    free(file);
    return out;
}

/* ---- the list ---- */

static void add(struct gs_profile *p, struct gs_finding f)
{
    if (p->n_findings < ROOM) {
        p->findings[p->n_findings++] = f;
        return;
    }
    free(f.claim);
    free(f.suggestion);
}

static void keep_first(struct gs_profile *p, size_t n)
{
    for (; p->n_findings > n; p->n_findings--) {
        free(p->findings[p->n_findings - 1].claim);
        free(p->findings[p->n_findings - 1].suggestion);
    }
}

static char *copy(const char *s)
{
    return gs_xstrndup(s, strlen(s));
}

/* high: half of all thread time is lost to it; medium: a twentieth. */
static enum gs_severity severity_of(uint64_t ns, uint64_t of_ns)
{
    uint64_t pm = gs_permille(ns, of_ns);
    return pm >= 250 ? GS_SEV_HIGH : pm >= 50 ? GS_SEV_MEDIUM : GS_SEV_LOW;
}

/* 1. Code that held while others waited: the first one always, more from a tenth of all waiting on.
 */
static void find_culprits(struct gs_profile *p, const struct gs_job *job,
                          const struct gs_culprit *c, size_t n)
{
    for (size_t i = 0; i < n && i < MAX_CULPRITS; i++) {
        if (c[i].blamed_ns == 0 || (i > 0 && gs_permille(c[i].blamed_ns, job->wait_ns) < 100))
            break;
        char *place = gs_place_text(p, c[i].node);
        const char *how = is_c_call(&c[i]) && c[i].long_ns * 2 > c[i].hold_ns
                              ? "It kept the GIL far longer than the switch interval: look for a C "
                                "call in that line that does not release it; split the work, use a "
                                "version that releases the GIL, or move it to another process."
                              : "Do this work in another process, or make it shorter: what it "
                                "saves, the waiting threads gain.";
        add(p, (struct gs_finding){
                   .id = "gil-blame-stack",
                   .severity = severity_of(c[i].blamed_ns, job->victim_wall_ns),
                   .claim = gs_xasprintf("%s held the GIL while other threads waited %s, %s of all "
                                         "GIL waiting.",
                                         place, gs_fmt_ns(c[i].blamed_ns).s,
                                         gs_fmt_percent(c[i].blamed_ns, job->wait_ns).s),
                   .suggestion = copy(how),
                   .process = c[i].process,
                   .thread = -1,
                   .node = c[i].node,
                   .ns = c[i].blamed_ns,
                   .of_ns = job->wait_ns,
               });
        free(place);
    }
}

static const struct gs_prof_thread *thread_by_index(const struct gs_prof_process *q, int64_t thread)
{
    for (size_t i = 0; i < q->n_threads; i++)
        if (q->threads[i].thread == thread)
            return &q->threads[i];
    return NULL;
}

/* " ; 80 % of that for thread 'worker'": who took most of it. */
static char *main_taker(const struct gs_prof_process *q, const struct gs_prof_thread *victim)
{
    for (size_t i = 0; i < q->n_blame; i++) {
        const struct gs_prof_thread *h = thread_by_index(q, q->blame[i].holder);
        if (q->blame[i].waiter != victim->thread || !h)
            continue;
        char *name = gs_fmt_safe(h->name, 40);
        char *out = gs_xasprintf(", %s of that while thread '%s' held it",
                                 gs_fmt_percent(q->blame[i].ns, victim->wait_ns).s, name);
        free(name);
        return out;
    }
    return copy("");
}

/* Single waits are not recorded at level 0: then there is no tail to tell of. */
static char *slowest_waits(const struct gs_prof_thread *t)
{
    if (!t->wait_p99_ns)
        return copy("");
    return gs_xasprintf("; its slowest 1 %% of waits took %s or more", gs_fmt_ns(t->wait_p99_ns).s);
}

/* 2. The thread that lost most: at least 1 ms and 2 % of its life. */
static void find_victim(struct gs_profile *p)
{
    int64_t process = -1, thread = -1;
    uint64_t most = MS;
    for (size_t i = 0; i < p->n_processes; i++)
        for (size_t k = 0; k < p->processes[i].n_threads; k++) {
            const struct gs_prof_thread *t = &p->processes[i].threads[k];
            if (t->thread == GS_THREAD_ENDED || t->wait_ns < most ||
                gs_permille(t->wait_ns, gs_thread_wall_ns(t)) < 20)
                continue;
            most = t->wait_ns + 1;
            process = (int64_t)i;
            thread = (int64_t)k;
        }
    if (process < 0)
        return;
    const struct gs_prof_process *q = &p->processes[process];
    const struct gs_prof_thread *t = &q->threads[thread];
    char *name = gs_fmt_safe(t->name, 40), *taker = main_taker(q, t), *slowest = slowest_waits(t);
    uint64_t wall = gs_thread_wall_ns(t);
    add(p, (struct gs_finding){
               .id = "gil-victim-thread",
               .severity = severity_of(t->wait_ns, wall),
               .claim = gs_xasprintf("Thread '%s' (pid %u) spent %s, %s of its life, waiting for "
                                     "the GIL%s%s.",
                                     name, q->pid, gs_fmt_ns(t->wait_ns).s,
                                     gs_fmt_percent(t->wait_ns, wall).s, taker, slowest),
               .suggestion = copy("If this thread answers requests, give it a process of its own, "
                                  "or shorten what holds the GIL beside it."),
               .process = process,
               .thread = thread,
               .node = -1,
               .ns = t->wait_ns,
               .of_ns = wall,
           });
    free(name);
    free(taker);
    free(slowest);
}

/* 3. A drop request ignored for twice the switch interval and more: one call of C code. */
static void find_long_holds(struct gs_profile *p, const struct gs_culprit *c, size_t n)
{
    const struct gs_culprit *worst = NULL;
    for (size_t i = 0; i < n; i++)
        if (is_c_call(&c[i]) && (!worst || c[i].long_ns > worst->long_ns))
            worst = &c[i];
    if (!worst)
        return;
    char *place = gs_place_text(p, worst->node);
    add(p,
        (struct gs_finding){
            .id = "gil-long-holds",
            .severity = worst->long_ns / worst->long_count > 100 * MS ? GS_SEV_HIGH : GS_SEV_MEDIUM,
            .claim = gs_xasprintf("%s kept the GIL for more than 10 ms %s times (%s each on "
                                  "average) although another thread had asked for it.",
                                  place, gs_fmt_count(worst->long_count).s,
                                  gs_fmt_ns(worst->long_ns / worst->long_count).s),
            .suggestion =
                copy("Python code lets go 5 ms after being asked, so this is a call into C "
                     "that does not release the GIL: work in smaller chunks, or use a "
                     "library that releases it."),
            .process = worst->process,
            .thread = -1,
            .node = worst->node,
            .ns = worst->long_ns,
            .of_ns = worst->hold_ns,
        });
    free(place);
}

/* Every other turn is waited for, turns are short (200 us), and more time is lost waiting than is
 * spent holding. Counts come from the capture as they are: contended without an acquire is one. */
static bool is_convoy(const struct gs_prof_gil *g)
{
    return g->contended >= 1000 && g->acquisitions > 0 &&
           g->contended >= g->acquisitions - g->acquisitions / 2 && g->wait_ns >= g->hold_ns &&
           g->hold_ns / g->acquisitions <= MS / 5;
}

/* 4. Convoy. */
static void find_convoy(struct gs_profile *p)
{
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_gil *g = &p->processes[i].gil;
        if (!is_convoy(g))
            continue;
        add(p,
            (struct gs_finding){
                .id = "gil-convoy",
                .severity = GS_SEV_MEDIUM,
                .claim = gs_xasprintf("Process %u passes the GIL around: %s turns of %s each, %s "
                                      "of them after a wait (%s on average).",
                                      p->processes[i].pid, gs_fmt_count(g->acquisitions).s,
                                      gs_fmt_ns(g->hold_ns / g->acquisitions).s,
                                      gs_fmt_percent(g->contended, g->acquisitions).s,
                                      gs_fmt_ns(g->wait_ns / g->contended).s),
                .suggestion = copy("Fewer threads, or more work for each I/O call (larger reads, "
                                   "batches): each blocking call costs a wait for the GIL."),
                .process = (int64_t)i,
                .thread = -1,
                .node = -1,
                .ns = g->wait_ns,
                .of_ns = p->processes[i].duration_ns,
            });
        return;
    }
}

/* 5. Saturated: held nine tenths of the time, by two threads or more with a tenth of it each. */
static void find_saturated(struct gs_profile *p)
{
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_process *q = &p->processes[i];
        size_t heavy = 0;
        for (size_t k = 0; k < q->n_threads; k++)
            heavy += gs_permille(q->threads[k].hold_ns, q->gil.hold_ns) >= 100;
        if (heavy < 2 || q->n_gils != 1 || gs_permille(q->gil.hold_ns, q->duration_ns) < 900)
            continue;
        add(p, (struct gs_finding){
                   .id = "gil-saturated",
                   .severity = GS_SEV_MEDIUM,
                   .claim = gs_xasprintf("The GIL of process %u was held %s of the time, by %zu "
                                         "threads in turn: they share one core.",
                                         q->pid, gs_fmt_percent(q->gil.hold_ns, q->duration_ns).s,
                                         heavy),
                   .suggestion = copy("More threads will not make it faster. Use processes "
                                      "(concurrent.futures.ProcessPoolExecutor), native code that "
                                      "releases the GIL, or a free-threaded Python."),
                   .process = (int64_t)i,
                   .thread = -1,
                   .node = -1,
                   .ns = q->gil.hold_ns,
                   .of_ns = q->duration_ns,
               });
        return;
    }
}

/* 6. Nothing to find. */
static void find_free(struct gs_profile *p, const struct gs_job *job)
{
    if (!is_free(job) || job->all_free_threaded || job->acquisitions == 0)
        return;
    add(p,
        (struct gs_finding){
            .id = "gil-free",
            .severity = GS_SEV_LOW,
            .claim = gs_xasprintf("The GIL is not what slows this program: its threads waited %s "
                                  "for it in all.",
                                  gs_fmt_ns(job->wait_ns).s),
            .suggestion = copy("Look at CPU time, I/O and locks instead."),
            .process = -1,
            .thread = -1,
            .node = -1,
            .ns = job->wait_ns,
            .of_ns = p->duration_ns,
        });
}

/* 7. Memory that is free, and is not given back. */
static void find_memory(struct gs_profile *p)
{
    struct gs_finding found[GS_MEMORY_FINDINGS];
    size_t n = gs_findings_of_memory(p, found);
    for (size_t i = 0; i < n; i++)
        add(p, found[i]);
}

/* 8. Devices: what contexts take, who held the GIL while it waited for one, what failed. */
static void find_cuda(struct gs_profile *p)
{
    struct gs_finding found[GS_CUDA_FINDINGS];
    size_t n = gs_findings_of_cuda(p, found);
    for (size_t i = 0; i < n; i++)
        add(p, found[i]);
}

/* 9. What stands between the reader and the truth. */
static void find_data_quality(struct gs_profile *p, const struct gs_job *job)
{
    if (job->all_free_threaded)
        add(p,
            (struct gs_finding){
                .id = "not-a-gil-build",
                .severity = GS_SEV_LOW,
                .claim = copy("This Python is a free-threaded build: it has no GIL."),
                .suggestion = copy("Record with a build that has a GIL to see who waits for it."),
                .process = -1,
                .thread = -1,
                .node = -1,
            });
    if (p->lost_events == 0 && job->lost_chunks == 0 && p->damaged_chunks == 0 && p->complete)
        return;
    bool lost = p->lost_events || job->lost_chunks || p->damaged_chunks;
    add(p,
        (struct gs_finding){
            .id = "data-lost",
            .severity = lost ? GS_SEV_MEDIUM : GS_SEV_LOW,
            .claim = lost ? gs_xasprintf("The recording has gaps: %s events were dropped, %s "
                                         "chunks are missing, %s are damaged.",
                                         gs_fmt_count(p->lost_events).s,
                                         gs_fmt_count(job->lost_chunks).s,
                                         gs_fmt_count(p->damaged_chunks).s)
                          : copy("The program ended without notice (killed?): its last 0.1 s may "
                                 "be missing."),
            .suggestion = copy("Totals stay exact up to the last write; waits behind a gap are "
                               "counted as 'unknown holder'."),
            .process = -1,
            .thread = -1,
            .node = -1,
            .ns = job->unknown_ns,
            .of_ns = job->wait_ns,
        });
}

static int by_cost(const void *pa, const void *pb)
{
    const struct gs_finding *a = pa, *b = pb;
    if (a->severity != b->severity)
        return a->severity < b->severity ? -1 : 1;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return strcmp(a->id, b->id);
}

static char *make_verdict(const struct gs_profile *p, const struct gs_job *job,
                          const struct gs_culprit *top)
{
    if (job->all_free_threaded)
        return copy("This Python has no GIL (free-threaded build), so no thread waited for it.");
    if (job->acquisitions == 0)
        return copy("No turn of the GIL was seen in this recording.");
    if (is_free(job))
        return gs_xasprintf("The GIL is not the problem: %s thread%s waited %s for it in all.",
                            gs_fmt_count(job->n_threads).s, job->n_threads == 1 ? "" : "s",
                            gs_fmt_ns(job->wait_ns).s);
    const char *who = job->n_victims == 1 ? "thread lost" : "threads lost";
    struct gs_fmt share = gs_fmt_percent(job->victim_wait_ns, job->victim_wall_ns);
    if (!top || top->blamed_ns == 0)
        return gs_xasprintf("%s %s %s of their time (%s) waiting for the GIL.",
                            gs_fmt_count(job->n_victims).s, who, share.s,
                            gs_fmt_ns(job->victim_wait_ns).s);
    char *place = gs_place_text(p, top->node);
    char *out = gs_xasprintf("%s %s %s of %s time to the GIL; %s of it while %s held it.",
                             gs_fmt_count(job->n_victims).s, who, share.s,
                             job->n_victims == 1 ? "its" : "their",
                             gs_fmt_percent(top->blamed_ns, job->wait_ns).s, place);
    free(place);
    return out;
}

void gs_findings_make(struct gs_profile *p)
{
    struct gs_job job = gs_job_totals(p);
    size_t n;
    struct gs_culprit *culprits = gs_culprits_make(p, &n);
    size_t sorted_from = is_free(&job) ? 0 : 1; /* the first culprit stays first */
    p->findings = gs_xcalloc(ROOM, sizeof(*p->findings));
    if (!is_free(&job)) {
        find_culprits(p, &job, culprits, n);
        find_victim(p);
        find_long_holds(p, culprits, n);
        find_convoy(p);
        find_saturated(p);
    }
    find_free(p, &job);
    find_memory(p);
    find_cuda(p);
    if (p->n_findings > sorted_from)
        qsort(p->findings + sorted_from, p->n_findings - sorted_from, sizeof(*p->findings),
              by_cost);
    keep_first(p, MAX_FINDINGS);
    find_data_quality(p, &job);
    keep_first(p, MAX_FINDINGS);
    p->verdict = make_verdict(p, &job, n ? &culprits[0] : NULL);
    free(culprits);
}
