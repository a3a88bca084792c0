/* SPDX-License-Identifier: MIT
 * From a recorded process to a program that can be replayed, and what is against believing it.
 */
#ifndef GS_WHATIF_FROM_CAPTURE_H
#define GS_WHATIF_FROM_CAPTURE_H

#include "analyzer/whatif/collections.h"
#include "analyzer/whatif/marks.h"

/* README.md, "Kinds of programs" */
enum gs_program_kind { GS_KIND_UNKNOWN, GS_KIND_BATCH, GS_KIND_LOOP, GS_KIND_ARRIVALS };
struct gs_kind_options {
    enum gs_program_kind kind; /* UNKNOWN: what it seems to be */
    struct gs_mark_names names;
};

/* Innermost one of a stack that held the GIL. */
struct gs_function {
    char *name; /* "loads (decoder.py)" */
    uint32_t number, node;
    uint64_t py_ns;
};
#define GS_FUNCTIONS_MOST 3u

struct gs_capture_program {
    struct gs_program program;
    uint64_t wall_ns;     /* from the first turn to the end of the last, without no_core_ns */
    uint64_t no_core_ns;  /* the GIL stood still: who held it, or was to have it, had no core */
    uint64_t gil_wait_ns; /* of all threads */
    uint64_t py_ns, native_ns, latency_ns, blocked_ns; /* what else their time went to */
    uint64_t switch_ns;      /* after which who waits for the GIL asks for it */
    struct gs_gc_load gc;    /* its time is no part of py_ns */
    uint64_t *blocked_on_ns; /* blocked_ns by the program's objects; the rest is in its last */
    uint64_t unknown_ns;     /* of `latency`, off the GIL without a look at the CPU clock */
    uint64_t thread_ns;      /* of all threads, from their first turn to their last */
    uint64_t doubtful;       /* wake-ups as they were, and what nobody knows the beginning of */
    size_t n_threads;        /* that held the GIL */
    struct gs_function functions[GS_FUNCTIONS_MOST]; /* those that computed most, in that order */
    size_t n_functions;

    enum gs_program_kind kind;
    bool kind_is_guess;
    char *progress;                    /* what its marks are of; NULL: it has none */
    uint64_t *mark_ns;                 /* when each was passed, from the start of the program */
    uint64_t mark_from_ns, mark_to_ns; /* as in the result of a replay */
    struct gs_arrival *arrivals;       /* waits for what comes from outside */
    size_t n_arrivals;
    /* What S is: base_ns over what a replay takes, by its marks or all of it. */
    uint64_t base_ns;
    bool by_marks;
    uint64_t whole_ns; /* what bounds are compared to: all of it with the GIL */
};

/* How a process becomes part of a program of several. */
struct gs_acts;
struct gs_listing {
    uint32_t first_thread; /* of the program, that is its own; they are there already */
    bool as_threads;       /* what one process need not do is left out: tax.h */
    bool has_gil;          /* else its threads compute side by side */
    uint32_t begins;       /* thread of the evidence whose list begins with begin_ns of computing */
    uint64_t begin_ns;
    const struct gs_acts *more;          /* what it did with other processes */
    const struct gs_kind_options *alone; /* the process is all of the program; else NULL */
};
/* Appends the process's lists and objects to out->program, its times to out's. */
void gs_program_list(struct gs_evidence *e, const struct gs_recording *r,
                     const struct gs_stacks *stacks, const struct gs_listing *how,
                     struct gs_capture_program *out);
/* Threads of the program for those of the evidence. Returns the first. */
uint32_t gs_program_threads(struct gs_program *p, const struct gs_recording *r);

/* NULL, or why there is no program; what was taken is freed then. */
const char *gs_program_from_evidence(struct gs_evidence *e, const struct gs_recording *r,
                                     const struct gs_stacks *stacks,
                                     const struct gs_kind_options *options,
                                     struct gs_capture_program *out);
/* kind.c: which kind it is, and what S is of it. NULL, or why it cannot be said. */
const char *gs_kind_find(struct gs_capture_program *c, const struct gs_recording *r,
                         const struct gs_marks *marks, const struct gs_kind_options *options);
extern const char *const gs_kind_names[];
enum gs_program_kind gs_kind_named(const char *name); /* UNKNOWN: none is */
void gs_capture_program_free(struct gs_capture_program *c);

#endif
