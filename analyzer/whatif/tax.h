/* SPDX-License-Identifier: MIT
 * The tax of several processes: what of their time went to pickling, to pipes and queues between
 * them, and to their beginning. Told by stacks: tax_patterns.def says what functions do, README.md
 * what the numbers mean.
 */
#ifndef GS_WHATIF_TAX_H
#define GS_WHATIF_TAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/columns.h"

enum gs_tax_class {
    GS_TAX_NONE, /* no frame that is known: the program's own */
    GS_TAX_WORK,
    GS_TAX_PICKLE,
    GS_TAX_IPC,
    GS_TAX_START,
    GS_TAX_JOIN,
    GS_TAX_UNSEEN, /* there is no stack */
    GS_N_TAX
};

/* Of one process, ns. held: of the GIL, by class. */
struct gs_tax_sums {
    uint64_t held_ns[GS_N_TAX];
    uint64_t estimated_ns; /* of held_ns of the tax, what samples say */
    uint64_t ipc_cpu_ns;   /* off the GIL, in calls of class IPC, by the CPU clock */
    uint64_t ipc_wait_ns;  /* there, the rest: waiting */
    bool has_ipc_off;      /* the last two are known */
};

/* Classes of all nodes, the caller's to free. */
uint8_t *gs_tax_classes(const struct gs_stacks *stacks);

/* multiprocessing (or loky) started it as a new program. */
bool gs_tax_is_spawned(const struct gs_recording *r);

#define GS_TAX_NO_NODE UINT32_MAX

struct gs_tax_reader { /* of one process */
    const struct gs_recording *r;
    const struct gs_stacks *stacks;
    const uint8_t *classes;
    struct gs_tax_sums *sums;
    bool spawned;        /* as a new program: what its main thread does before the work, importing
                          * above all, need not have a frame that is known */
    bool has_all_rows;   /* every turn has one: the thread's last turn is known */
    uint32_t *last_node; /* where it ended, by thread; GS_TAX_NO_NODE */
    size_t cap_last;
    struct gs_segment *segments;
    size_t cap_segments;
};
/* All of them outlive the reader; sums are added to. */
void gs_tax_reader_open(struct gs_tax_reader *x, const struct gs_recording *r,
                        const struct gs_stacks *stacks, const uint8_t *classes,
                        struct gs_tax_sums *sums);
void gs_tax_reader_close(struct gs_tax_reader *x);
/* A turn of a thread (dense), whose time is split among its stacks as in every other view
 * (turns.h). samples: of its seq. Returns what of it would not be in one process: pickling,
 * beginning; ns. */
uint64_t gs_tax_add_turn(struct gs_tax_reader *x, uint32_t thread, struct gs_decoder *d,
                         const struct gs_typicals *typicals, const struct gs_slice *turn,
                         const struct gs_holder_sample *samples, size_t n_samples);
/* Turns that have no rows: exact totals, shared among the samples' stacks. */
void gs_tax_add_folded(struct gs_tax_reader *x);

/* ---- of the job ---- */
struct gs_tax_process {
    uint32_t pid;
    uint64_t cpu_ns; /* of the process */
    struct gs_tax_sums sums;
    char *why_not; /* nothing is known of it; or NULL. Owned */
};
struct gs_tax {
    struct gs_tax_process *processes;
    size_t n_processes, cap_processes;
};
/* Whether stacks say enough of what the process did, and its numbers. */
void gs_tax_add_process(struct gs_tax *t, const struct gs_recording *r,
                        const struct gs_tax_sums *sums);
/* Sums of those of which something is known. */
struct gs_tax_total {
    uint64_t pickle_ns, ipc_ns, ipc_wait_ns, start_ns, estimated_ns, unseen_ns, cpu_ns;
    uint64_t time_ns; /* CPU time; where it is more, that of holding the GIL: waiting for cores */
    size_t n_known;
    bool has_ipc_off; /* of all that are known */
};
struct gs_tax_total gs_tax_total(const struct gs_tax *t);
void gs_tax_free(struct gs_tax *t);

/* tax_output.c. duplicated_bytes: what the processes hold each for itself; NULL: not known. */
struct gs_json;
#include <stdio.h>
void gs_tax_json(struct gs_json *j, const struct gs_tax *t, const uint64_t *duplicated_bytes);
void gs_tax_text(const struct gs_tax *t, FILE *out);

#endif
