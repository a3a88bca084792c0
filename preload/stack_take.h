/* SPDX-License-Identifier: MIT
 * Stacks taken inside hooks, their cost counted in the thread that paid it.
 */
#ifndef GS_STACK_TAKE_H
#define GS_STACK_TAKE_H

#include <stdbool.h>
#include <stdint.h>

struct gs_thread;

/* Stack id of the calling thread `t`, whose own thread state `tstate` is (0: none known); frames
 * are read directly. GS_STACK_NONE when stacks are off or there is none. CTX: any hook. */
uint32_t gs_own_stack(struct gs_thread *t, uintptr_t tstate);

/* The same for a thread that may hold the GIL or not: of the state it runs on now. CTX: any call of
 * Python's. */
uint32_t gs_current_stack(struct gs_thread *t);

/* Both with the native frames of the same moment, where those are wanted (--native). */
uint32_t gs_own_stack_native(struct gs_thread *t, uintptr_t tstate);
uint32_t gs_current_stack_native(struct gs_thread *t);

/* Stack id of another, running thread, read fault-safely into me's buffers; *cost in ticks. */
uint32_t gs_other_stack(struct gs_thread *me, uintptr_t tstate, uint64_t *cost);

/* Ticks since t0, as the cost of what was done since. */
uint64_t gs_cost_since(uint64_t t0);

/* Python's own name of the calling thread, tried a few times. CTX: hooks that hold the GIL. */
void gs_learn_thread_name(struct gs_thread *t, uintptr_t tstate);
static inline bool gs_wants_thread_name(uint8_t tries)
{
    return __builtin_expect(tries < 8, 0);
}

#endif
