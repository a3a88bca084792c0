/* SPDX-License-Identifier: MIT
 * Recording what Python code does with locks (--locks): wrappers are put into the method tables of
 * CPython's lock and queue types, once, by a pending call: the main thread makes it, with the GIL,
 * between two instructions. That is the only time the agent enters the interpreter. Whatever is not
 * as expected is left alone, and the capture says why. What is in place stays for the life of the
 * process: a wrapper without a recording only calls on.
 */
#ifndef GS_LOCKS_H
#define GS_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct gs_elf_object;

/* Looks up what a pending call needs. CTX: where the agent starts. */
void gs_locks_init(const struct gs_elf_object *python);
void gs_locks_forget(void); /* forked child */
/* Asks for the pending call, if it is time. CTX: drain, outside of the writer's turn: CPython takes
 * a lock of its own to note the call. */
void gs_locks_ask(uint64_t now);
/* Nanoseconds until it may be time, at most `max`. */
uint64_t gs_locks_wait_ns(uint64_t now, uint64_t max);
/* Writes what has become of it. CTX: writer. */
void gs_locks_tell(void);
/* The recording ends: also what has not become of it. */
void gs_locks_end(void);
/* A new segment begins: all of it is told again. */
void gs_locks_again(void);
/* The governor: no more of it. CTX: writer. */
void gs_locks_shed(const char *why);

#endif
