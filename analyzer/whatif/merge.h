/* SPDX-License-Identifier: MIT
 * Processes of a job as threads of one process: README.md, "Several processes".
 */
#ifndef GS_WHATIF_MERGE_H
#define GS_WHATIF_MERGE_H

#include <stdio.h>

#include "analyzer/whatif/acts.h"
#include "analyzer/whatif/estimate.h"

#define GS_NO_PART UINT32_MAX

/* A process that was read, and what is found out about it. Owned by whoever read it. */
struct gs_part {
    struct gs_recording r;
    struct gs_stacks stacks;
    struct gs_evidence e;
    uint32_t parent;     /* part that made it; GS_NO_PART: none that was recorded */
    uint32_t root;       /* the first of its family */
    const char *why_not; /* alone it has no more than bounds; or NULL. Not owned */
    bool is_helper;      /* resource tracker, fork server: nothing of the program */
    uint32_t
        main_thread; /* of the evidence: the one that began first; UINT32_MAX: it has no turns */
    uint32_t first_thread; /* of the program in hand */
    struct gs_acts more;   /* with other processes, in the program in hand */
};
void gs_part_free(struct gs_part *p);

struct gs_merged {                  /* the family that computed most */
    size_t n_processes;             /* 0: there are not two that belong together */
    size_t n_threads, n_others;     /* others: processes that do not belong to it */
    uint64_t wall_ns;               /* as recorded, from the first turn to the end of the last */
    uint64_t replayed_ns;           /* of the processes as they are, replayed */
    uint64_t matched, unmatched_ns; /* messages whose sender is known; waits of which nobody knows
                                       what ended them */
    char *why_not;                  /* no more than bounds; or NULL */
    bool has_program;
    struct gs_whatif prediction; /* in time of the processes as they are */
};
void gs_merge(struct gs_part *const *parts, size_t n, const struct gs_whatif_options *options,
              struct gs_sweeper *sweeper, struct gs_merged *out);
/* There are more rows than can be put together. */
void gs_merge_too_long(size_t n_processes, struct gs_merged *out);
void gs_merged_free(struct gs_merged *m);

/* merge_output.c */
struct gs_json;
void gs_merged_json(struct gs_json *j, const struct gs_merged *m);
void gs_merged_text(const struct gs_merged *m, FILE *out);

#endif
