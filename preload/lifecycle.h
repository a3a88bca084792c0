/* SPDX-License-Identifier: MIT
 * The ways a process image ends or doubles: exit, _exit, exec, fork. Each wrapper first compares
 * the kernel's pid with the recorded one, so that a vfork child never speaks for its parent.
 */
#ifndef GS_LIFECYCLE_H
#define GS_LIFECYCLE_H

#include <stdbool.h>

void gs_lifecycle_init(void);    /* registers the fork handlers */
bool gs_lifecycle_is_ours(void); /* recording, and this is the process that is recorded */

/* Around an exec: writes all there is; an exec that returns has failed. errno is kept. */
void gs_lifecycle_before_exec(const char *path);
int gs_lifecycle_exec_failed(int rc);
void gs_lifecycle_before_exit(void);

#endif
