/* SPDX-License-Identifier: MIT
 * What a program is there for: units of work that it does one after another, which are marked when
 * they are done, and waits for what comes from outside. README.md, "Kinds of programs".
 */
#ifndef GS_WHATIF_MARKS_H
#define GS_WHATIF_MARKS_H

#include "analyzer/whatif/acts.h"

#define GS_MARKS_LEAST 16u /* fewer are no rate */

enum gs_unit {
    GS_UNIT_NONE,
    GS_UNIT_ITEM,   /* from a queue, until the thread gets its next one */
    GS_UNIT_WAIT,   /* from the end of a wait off the GIL to the beginning of the next one */
    GS_UNIT_LOCK,   /* from one time that a lock is taken to the next */
    GS_UNIT_THREAD, /* as long as a thread runs */
};

struct gs_marks {
    enum gs_unit unit;
    char *what;       /* of which; NULL: GS_UNIT_NONE */
    uint8_t *at;      /* by stack node: units begin in it */
    uint8_t *objects; /* units begin with those; its program has n_objects */
    uint8_t *outside; /* by stack node: who waits there waits for what comes from outside */
    uint64_t accepts; /* calls of socket.accept */
};

/* A function, FILE:FUNCTION or FILE:LINE each; NULL: none. */
struct gs_mark_names {
    const char *progress; /* or what whatif calls a queue or lock; NULL: what seems best */
    const char *outside;
};
void gs_marks_find(struct gs_marks *m, const struct gs_acts *a, const struct gs_evidence *e,
                   const struct gs_stacks *stacks, const struct gs_program *p,
                   const struct gs_mark_names *names);
void gs_marks_free(struct gs_marks *m);

bool gs_marks_begin_with(const struct gs_marks *m, const struct gs_act *act);
/* The turn let the GIL go to wait. */
bool gs_marks_begin_behind(const struct gs_marks *m, const struct gs_turn_row *turn);
bool gs_marks_is_outside(const struct gs_marks *m, const struct gs_turn_row *turn);

/* A wait for what comes from outside, an operation LATENCY. */
struct gs_arrival {
    uint32_t op;
    uint64_t came_ns; /* from the start of the program */
};
/* Tells each mark when what is done then had come: of threads what came to them last, of items what
 * had come to those who put them. Arrivals are in the order of operations. */
void gs_marks_set_came(struct gs_program *p, const struct gs_arrival *arrivals, size_t n_arrivals);

#endif
