/* SPDX-License-Identifier: MIT
 * Many replays of one program: on the CPU's cores, or side by side on a GPU (cuda/engine_sweep.cu).
 * The results are the same to the last bit. What a device cannot finish is the CPU's, from the
 * beginning, and the device is not tried again.
 */
#ifndef GS_WHATIF_SWEEP_H
#define GS_WHATIF_SWEEP_H

#include "analyzer/whatif/replay.h"

struct gs_sweep {
    const struct gs_program *program;
    const struct gs_replay_params *params;
    size_t n;
    struct gs_replay_result *results; /* the caller's: as many; to be filled */
    struct gs_replay_object *objects; /* the caller's: n times the program's; NULL: not wanted */
    /* For the choice: what one of them took the CPU, and how many operations it had. */
    uint64_t one_ns, one_steps;
};

/* For many sweeps. engine: "cpu", "cuda", or NULL and "auto": cuda where it is expected to be
 * quicker. jobs: threads to compute with on the CPU; 0: all cores. */
struct gs_sweeper;
struct gs_sweeper *gs_sweeper_open(const char *engine, unsigned jobs);
void gs_sweeper_run(struct gs_sweeper *s, const struct gs_sweep *sweep);
/* What was used: "cpu", "cuda", or "cuda+cpu"; *why_not: why it is not what was asked for, else
 * NULL. Valid until close. */
const char *gs_sweeper_used(const struct gs_sweeper *s, const char **why_not);
void gs_sweeper_close(struct gs_sweeper *s);

#endif
