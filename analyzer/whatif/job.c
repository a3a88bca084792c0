/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/trace_reader.h"
#include "analyzer/xalloc.h"

#define CORES_DEFAULT 8u    /* where the capture does not say what machine it is of */
#define MOST_LOOKS    4096u /* at files of extensions; a capture may name any number */
#define UNKNOWN_PART  50u   /* 1/50th of the threads' time may be unexplained */

/* ---- what is against a number: the first reason that there is ---- */

static char *against_program(const struct gs_recording *r, const struct gs_evidence *e)
{
    if (r->free_threaded)
        return gs_xasprintf("it is free-threaded already");
    if (e->n_turns == 0)
        return gs_xasprintf("it has no turns of the GIL: nothing was recorded of it");
    if (e->too_long)
        return gs_xasprintf("it has more than %s rows; record a shorter stretch: run -d SECONDS",
                            gs_fmt_count(GS_EVIDENCE_MOST_ROWS).s);
    return NULL;
}

char *gs__against_recording(const struct gs_recording *r, const struct gs_evidence *e)
{
    if (e->folded_turns)
        return gs_xasprintf("%s turns that nobody waited for have no row; record it with "
                            "gilscope run --locks",
                            gs_fmt_count(e->folded_turns).s);
    if (r->no_locks & (GS_SYNC_LOCK | GS_SYNC_RLOCK))
        return gs_xasprintf(
            "not all that its threads did with locks was recorded: %s; --budget 100 "
            "lets recording cost what it costs",
            r->no_locks_why);
    if (!(r->locks & GS_SYNC_LOCK))
        return gs_xasprintf("what its threads do with locks was not recorded; record it with "
                            "gilscope run --locks");
    if (e->lost_rows || !gs_recording_is_whole(r))
        return gs_xasprintf("%s rows of it were lost or are damaged", gs_fmt_count(e->lost_rows).s);
    return NULL;
}

static char *against_number(const struct gs_recording *r, const struct gs_evidence *e,
                            const struct gs_capture_program *c)
{
    char *why = gs__against_recording(r, e);
    if (why)
        return why;
    if (c->no_core_ns > 3 * c->wall_ns)
        return gs_xasprintf("the machine was busy: for %s of the recording the GIL stood still, as "
                            "who was to run had no core",
                            gs_fmt_percent(c->no_core_ns, c->wall_ns + c->no_core_ns).s);
    if (c->unknown_ns > c->thread_ns / UNKNOWN_PART)
        return gs_xasprintf("for %s of its threads' time off the GIL it is not known whether they "
                            "computed or waited",
                            gs_fmt_percent(c->unknown_ns, c->thread_ns).s);
    return NULL;
}

/* ---- one process ---- */

static char *join_words(char *const *words, size_t n)
{
    char *all = gs_xstrndup("", 0);
    for (size_t i = 0; i < n; i++) {
        char *longer = gs_xasprintf("%s%s%s", all, i ? " " : "", words[i]);
        free(all);
        all = longer;
    }
    return all;
}

/* Those of the standard library are there for free-threaded Python, too. */
static void list_extensions(struct gs_whatif_process *p, const struct gs_recording *r)
{
    for (size_t i = 0; i < r->n_modules; i++) {
        const char *path = r->modules[i];
        struct gs_extension e = {NULL, GS_GIL_UNKNOWN, "there are too many of them"};
        if (strstr(path, "/lib-dynload/"))
            continue;
        e.path = gs_xstrndup(path, strlen(path));
        if (p->n_extensions < MOST_LOOKS)
            gs_extension_look(&e, r);
        p->n_answers[e.answer]++;
        GS_PUSH(p->extensions, p->n_extensions, p->cap_extensions, e);
    }
}

uint32_t gs__machine_cores(const struct gs_recording *r)
{
    uint64_t allowed = gs_recording_setting(r, "affinity_cpus");
    uint64_t cores = allowed ? allowed : r->n_cpus;
    return cores && cores <= GS_CORES_MOST ? (uint32_t)cores : CORES_DEFAULT;
}

static void describe(struct gs_whatif_process *p, const struct gs_recording *r,
                     const struct gs_capture_program *c)
{
    p->key = r->key;
    p->pid = r->pid;
    p->command = join_words(r->cmdline, r->n_cmdline);
    list_extensions(p, r);
    p->wall_ns = c->wall_ns;
    p->thread_ns = c->thread_ns;
    p->gil_wait_ns = c->gil_wait_ns;
    p->py_ns = c->py_ns;
    p->gc_ns = c->gc.time_ns;
    p->native_ns = c->native_ns;
    p->latency_ns = c->latency_ns;
    p->blocked_ns = c->blocked_ns;
    p->n_threads = c->n_threads;
    p->kind = c->kind;
    p->kind_is_guess = c->kind_is_guess;
    p->progress = c->progress ? gs_xasprintf("%s", c->progress) : NULL;
    p->n_marks = c->program.n_marks;
}

/* Nodes are of one process's stacks, which go when it has been read. */
static void keep_stacks(struct gs_whatif *w, const struct gs_stacks *stacks)
{
    struct gs_migration *m = &w->migration;
    for (size_t i = 0; i < w->n_changes; i++)
        w->changes[i].stack = gs_stack_text_make(stacks, w->changes[i].node);
    for (size_t i = 0; i < m->n_parts; i++)
        m->parts[i].stack = gs_stack_text_make(stacks, m->parts[i].node);
}

static void predict(struct gs_whatif_process *p, const struct gs_recording *r,
                    struct gs_evidence *e, const struct gs_stacks *stacks,
                    const struct gs_whatif_options *options, struct gs_sweeper *sweeper)
{
    struct gs_capture_program c = {0};
    struct gs_whatif_options mine = *options;
    p->verdict = GS_VERDICT_INSUFFICIENT;
    p->why_not = against_program(r, e);
    const char *why =
        p->why_not ? NULL : gs_program_from_evidence(e, r, stacks, &options->kind, &c);
    if (why)
        p->why_not = gs_xasprintf("%s", why);
    describe(p, r, &c);
    if (p->n_answers[GS_GIL_NOT_SAID]) /* known without a prediction */
        p->verdict = GS_VERDICT_BLOCKED;
    p->prediction.at =
        (struct gs_speedup){.s_max = NAN, .s_cond_min = NAN, .p10 = NAN, .p50 = NAN, .p90 = NAN};
    if (p->why_not)
        return;
    p->has_program = true;
    if (!mine.cores)
        mine.cores = gs__machine_cores(r);
    p->why_not = against_number(r, e, &c);
    gs_whatif_estimate(&c, p->why_not, &mine, sweeper, &p->prediction);
    if (p->verdict != GS_VERDICT_BLOCKED)
        p->verdict = p->prediction.verdict;
    gs_capture_program_free(&c);
    keep_stacks(&p->prediction, stacks);
}

/* What was read of it is the caller's. */
static struct gs_part *add_process(struct gs_whatif_job *job, const struct gs_chunk_ref *chunks,
                                   size_t n, const struct gs_whatif_options *options,
                                   struct gs_sweeper *sweeper)
{
    struct gs_memory_facts facts;
    struct gs_part *part = gs_xcalloc(1, sizeof(*part));
    struct gs_whatif_process p = {0};
    gs_stacks_init(&part->stacks);
    part->stacks.view = GS_STACKS_PYTHON; /* classes of waits are told by Python's functions */
    gs_recording_open(&part->r, chunks, n);
    part->r.jobs = options->jobs;
    gs_recording_read(&part->r, &part->stacks, chunks, n);
    gs_evidence_collect(&part->e, &part->r, &part->stacks, chunks, n);
    predict(&p, &part->r, &part->e, &part->stacks, options, sweeper);
    gs_memory_facts_take(&part->r, &part->stacks, &facts);
    gs_whatif_memory_add(&job->memory, facts);
    gs_tax_add_process(&job->tax, &part->r, &part->e.tax);
    job->damaged_chunks += part->r.damaged_chunks + part->r.damaged_records;
    GS_PUSH(job->processes, job->n_processes, job->cap_processes, p);
    return part;
}

/* ---- all of them ---- */

static int by_thread_time(const void *pa, const void *pb)
{
    const struct gs_whatif_process *a = pa, *b = pb;
    if (a->thread_ns != b->thread_ns)
        return a->thread_ns > b->thread_ns ? -1 : 1;
    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static void close_sweeper(struct gs_whatif_job *out, struct gs_sweeper *sweeper)
{
    const char *why_not;
    out->engine = gs_sweeper_used(sweeper, &why_not);
    out->engine_why_not = why_not ? gs_xasprintf("%s", why_not) : NULL;
    gs_sweeper_close(sweeper);
}

struct parts {
    struct gs_part **at;
    size_t n, cap;
    uint64_t rows;
    bool too_long;
};

static void forget_parts(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        gs_part_free(p->at[i]);
    p->n = 0;
}

static void keep_part(struct parts *p, struct gs_part *part)
{
    p->rows += part->e.n_turns + part->e.n_syncs + part->e.n_edges;
    p->too_long |= p->rows > GS_EVIDENCE_MOST_ROWS;
    GS_PUSH(p->at, p->n, p->cap, part);
    if (p->too_long)
        forget_parts(p);
}

void gs_whatif_build(const struct gs_captures *c, const struct gs_whatif_options *options,
                     struct gs_whatif_job *out)
{
    struct gs_sweeper *sweeper = gs_sweeper_open(options->engine, options->jobs);
    struct parts parts = {0};
    memset(out, 0, sizeof(*out));
    out->damaged_chunks = c->damaged_runs;
    out->skipped_bytes = c->skipped_bytes;
    for (size_t i = 0, end; i < c->n_chunks; i = end) {
        for (end = i; end < c->n_chunks; end++)
            if (c->chunks[end].hdr.process_key != c->chunks[i].hdr.process_key)
                break;
        keep_part(&parts, add_process(out, c->chunks + i, end - i, options, sweeper));
    }
    if (parts.too_long && out->n_processes > 1)
        gs_merge_too_long(out->n_processes, &out->merged);
    else
        gs_merge(parts.at, parts.n, options, sweeper, &out->merged);
    forget_parts(&parts);
    free(parts.at);
    close_sweeper(out, sweeper);
    gs_whatif_memory_finish(&out->memory);
    if (out->n_processes)
        qsort(out->processes, out->n_processes, sizeof(*out->processes), by_thread_time);
}

enum gs_status gs_whatif_load(const char *const *paths, size_t n_paths,
                              const struct gs_whatif_options *options, struct gs_whatif_job *out,
                              struct gs_error *err)
{
    struct gs_captures c;
    memset(out, 0, sizeof(*out));
    enum gs_status s = gs_captures_open(&c, paths, n_paths, err);
    if (s != GS_OK)
        return s;
    gs_whatif_build(&c, options, out);
    gs_captures_close(&c);
    return GS_OK;
}

void gs_whatif_job_free(struct gs_whatif_job *job)
{
    for (size_t i = 0; i < job->n_processes; i++) {
        free(job->processes[i].command);
        for (size_t k = 0; k < job->processes[i].n_extensions; k++)
            free(job->processes[i].extensions[k].path);
        free(job->processes[i].extensions);
        free(job->processes[i].progress);
        free(job->processes[i].why_not);
        gs_whatif_free(&job->processes[i].prediction);
    }
    free(job->processes);
    free(job->engine_why_not);
    gs_whatif_memory_free(&job->memory);
    gs_tax_free(&job->tax);
    gs_merged_free(&job->merged);
    memset(job, 0, sizeof(*job));
}
