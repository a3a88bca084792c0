/* SPDX-License-Identifier: MIT
 * Captures -> a prediction for each of their processes.
 */
#ifndef GS_WHATIF_JOB_H
#define GS_WHATIF_JOB_H

#include "analyzer/error.h"
#include "analyzer/whatif/estimate.h"
#include "analyzer/whatif/extension.h"
#include "analyzer/whatif/job_memory.h"
#include "analyzer/whatif/merge.h"
#include "analyzer/whatif/tax.h"

struct gs_whatif_process {
    uint64_t key; /* as in struct gs_prof_process */
    uint32_t pid;
    char *command; /* its words, with blanks between */
    uint64_t wall_ns, thread_ns, gil_wait_ns;
    uint64_t py_ns, native_ns, latency_ns, blocked_ns;
    uint64_t gc_ns;   /* garbage collections; not in py_ns */
    size_t n_threads; /* that held the GIL */
    enum gs_program_kind kind;
    bool kind_is_guess;
    char *progress; /* what its marks are of; NULL: it has none */
    size_t n_marks;
    struct gs_extension *extensions; /* modules that are not Python's own */
    size_t n_extensions, cap_extensions;
    size_t n_answers[GS_N_GIL_ANSWERS];
    bool has_program;        /* the prediction is of something */
    char *why_not;           /* it has no more than bounds; or nothing */
    enum gs_verdict verdict; /* the prediction's, or that it is blocked */
    struct gs_whatif prediction;
};

struct gs_whatif_job {
    struct gs_whatif_process *processes; /* those with the most thread time first */
    size_t n_processes, cap_processes;
    struct gs_whatif_memory memory; /* of all of them together */
    uint64_t damaged_chunks, skipped_bytes;
    const char *engine;      /* that replayed */
    char *engine_why_not;    /* why it is not the one that was asked for, NULL if it is */
    struct gs_tax tax;       /* of several processes; of one there is none */
    struct gs_merged merged; /* the same */
};

enum gs_status gs_whatif_load(const char *const *paths, size_t n_paths,
                              const struct gs_whatif_options *options, struct gs_whatif_job *out,
                              struct gs_error *err);
/* The same from captures that are open already. */
struct gs_captures;
void gs_whatif_build(const struct gs_captures *c, const struct gs_whatif_options *options,
                     struct gs_whatif_job *out);
/* What of the recording is against a number; the caller's, or NULL. */
char *gs__against_recording(const struct gs_recording *r, const struct gs_evidence *e);
/* Cores that the recorded process might use. */
uint32_t gs__machine_cores(const struct gs_recording *r);
void gs_whatif_job_free(struct gs_whatif_job *job);

/* text.c, json.c; false: it could not be written */
#include <stdio.h>
bool gs_whatif_text(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out);
/* The same as a report's data: what has a stack names its node in the profile. */
struct gs_json;
struct gs_savings {
    const struct gs_whatif_job *job;
    const struct gs_whatif_options *options;
};
void gs_savings_json(struct gs_json *j, const struct gs_savings *s, const struct gs_profile *p);
/* savings.c: the first finding of the profile, for the process with the most thread time. */
void gs_savings_add_finding(struct gs_profile *p, const struct gs_savings *s);
bool gs_whatif_json(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out);

#endif
