/* SPDX-License-Identifier: MIT
 * Who uses the writer (trace_writer.h): the drain thread, unless it sleeps; or, where it gets no
 * core, the thread that ends the process or calls exec.
 */
#ifndef GS_WRITER_TURN_H
#define GS_WRITER_TURN_H

#include <stdbool.h>
#include <stdint.h>

bool gs_writer_try_take(void);
/* False when another had it until end_ns (CLOCK_MONOTONIC): it may be writing to a disk that hangs.
 */
bool gs_writer_take(uint64_t end_ns);
void gs_writer_give(void);
void gs_writer_turn_forget(void); /* forked child */

#endif
