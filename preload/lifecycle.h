/* SPDX-License-Identifier: MIT
 * The ways a process image ends or doubles: exit, _exit, exec, fork. Each wrapper first compares
 * the kernel's pid with the recorded one, so that a vfork child never speaks for its parent.
 */
#ifndef GS_LIFECYCLE_H
#define GS_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

void gs_lifecycle_init(void);    /* registers the fork handlers */
bool gs_lifecycle_is_ours(void); /* recording, and this is the process that is recorded */

/* Around an exec: writes all there is; an exec that returns has failed. errno is kept. */
void gs_lifecycle_before_exec(const char *path);
int gs_lifecycle_exec_failed(int rc);
void gs_lifecycle_before_exit(void);

/* The destructor of a process whose main program has returned. */
void gs_lifecycle_end(void);
/* After it a Python thread that has just been let near the GIL goes no further for a while.
 * CTX: hooks, where gs_lifecycle_ending is set; may hold the GIL. */
extern uint32_t gs_lifecycle_ending; /* tid of the thread that ends the process, or 0 */
void gs_lifecycle_hold(void);

#endif
