/* SPDX-License-Identifier: MIT
 * What the processes of a job take, and what one process with a thread for each of them would: see
 * README.md, "Memory". All bytes; sums saturate.
 */
#ifndef GS_WHATIF_JOB_MEMORY_H
#define GS_WHATIF_JOB_MEMORY_H

#include "analyzer/whatif/memory_facts.h"

struct gs_whatif_memory {
    struct gs_memory_facts *facts; /* by process, in the order they were added */
    size_t n_facts, cap_facts;

    char *why_not;                    /* the rest is nothing; or NULL */
    size_t processes;                 /* that lived when they took most together, */
    size_t forked, helpers, rss_only; /* and of those */
    size_t left_out; /* processes that ended before anybody looked, or that lived at other times */
    size_t threads;  /* that the one process has */
    uint64_t now_bytes, agent_bytes; /* the agent's are in no other number */
    uint64_t threads_bytes[3];       /* p10, p50, p90 */
    uint64_t once_bytes;             /* what processes have of their parents' kind: counted once */
    uint64_t own_bytes;              /* what each has beyond that, added up */
    uint64_t duplicated_bytes;       /* of now: copies */
    uint64_t spawned_bytes;          /* each with all that it has; 0: that is how it is */
    uint64_t forked_bytes;           /* at least, if no page were copied; 0: that is how it is */
    uint64_t unshared_bytes;         /* threads, p50, if nothing of spawned ones is held once; 0:
                                        nothing rests on that */
    bool has_cuda;
    size_t devices;
    uint64_t cuda_now_bytes, cuda_context_bytes; /* contexts: of now */
    uint64_t cuda_threads_bytes[3];
    bool cuda_contexts_known; /* of all processes */
};

/* Takes it. */
void gs_whatif_memory_add(struct gs_whatif_memory *m, struct gs_memory_facts facts);
/* All are there: computes the rest. */
void gs_whatif_memory_finish(struct gs_whatif_memory *m);
void gs_whatif_memory_free(struct gs_whatif_memory *m);
/* Bytes that processes hold in copies; 0 where that is not known (m->why_not). */
uint64_t gs_whatif_duplicated_bytes(const struct gs_whatif_memory *m);

/* memory_cuda.c */
void gs_whatif_memory_cuda(struct gs_whatif_memory *m);

/* memory_text.c: the member "memory"; some lines, or none. */
#include <stdio.h>
struct gs_json;
void gs_whatif_memory_json(const struct gs_whatif_memory *m, struct gs_json *j);
void gs_whatif_memory_text(const struct gs_whatif_memory *m, FILE *out);

#endif
