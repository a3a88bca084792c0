/* SPDX-License-Identifier: MIT
 * From what was seen of locks, queues and wake-ups to what threads did with each other: operations
 * of a program with the time at which they began, and the stretches that they account for. Private.
 */
#ifndef GS_WHATIF_ACTS_H
#define GS_WHATIF_ACTS_H

#include "analyzer/whatif/evidence.h"
#include "analyzer/whatif/program.h"

struct gs_act {
    uint64_t t_ns;
    uint32_t thread, order; /* of equal times: as they were found */
    struct gs_op op;
    uint32_t node; /* the stack that did it; 0: nobody knows */
};
/* A call that let the GIL go to wait. What it waited for is an act; or, `sleeps`, nothing but time.
 */
struct gs_cover {
    uint64_t from_ns, to_ns;
    uint32_t thread;
    bool sleeps;
};

struct gs_acts {
    struct gs_act *acts; /* by thread, then time */
    struct gs_cover *covers;
    size_t n_acts, n_covers, cap_acts, cap_covers;
    uint64_t recorded_edges; /* wake-ups told from no lock and no queue: replayed as they were */
    uint64_t unmatched;      /* releases and items nobody knows the beginning of */
};

/* Objects and tasks are added to the program, whose threads from first_thread on are those of the
 * evidence. more: acts and covers that are known already, or NULL. */
void gs_acts_find(struct gs_acts *a, struct gs_evidence *e, const struct gs_stacks *stacks,
                  struct gs_program *p, uint32_t first_thread, const struct gs_acts *more);
void gs_acts_free(struct gs_acts *a);

/* The innermost frame of a node that is not the root. */
struct gs_frame {
    const char *file; /* without its folders */
    const char *function;
    uint32_t line;
};
struct gs_frame gs_frame_of(const struct gs_stacks *s, uint32_t node);
/* One of those in which Python's own locks and queues are. */
bool gs_file_is_librarys(const char *file);

#endif
