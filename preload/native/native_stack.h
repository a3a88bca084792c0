/* SPDX-License-Identifier: MIT
 * Native stacks joined with the Python frames of the same moment: one id for both.
 */
#ifndef GS_NATIVE_STACK_H
#define GS_NATIVE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/native/unwind.h"

struct gs_thread;

/* False when memory is refused. CTX: before the first turn; in_hook: Python was loaded late, and
 * the loader may not be asked. */
bool gs_native_begin(bool in_hook);

/* The calling thread's native frames with its Python stack, whose n_py frames lie in t->frames: an
 * id for both; `python` where there are none. CTX: hooks. */
uint32_t gs_native_own_stack(struct gs_thread *t, uint32_t python, size_t n_py);
/* The same of frames that are known; of the n_py Python frames only `entry` is looked at. CTX: any.
 */
struct gs_py_frame;
uint32_t gs_native_join(uint32_t python, const struct gs_py_frame *py, size_t n_py,
                        const struct gs_native_frame *frames, size_t n, bool truncated);

#endif
