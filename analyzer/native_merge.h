/* SPDX-License-Identifier: MIT
 * Native frames and the Python frames of the same moment -> one stack, as people read it: each
 * frame of the interpreter's loop gives way to the Python frames that it runs.
 */
#ifndef GS_NATIVE_MERGE_H
#define GS_NATIVE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/stacks.h"

/* Both lists innermost first. */
struct gs_native_list {
    const struct gs_native_entry {
        uint32_t frame;
        bool is_loop;
    } * at;
    size_t n;
    bool truncated;
};
struct gs_python_list {
    const uint32_t *frames;
    size_t n;
    bool truncated;
    const uint32_t *runs; /* frames of each run of the loop */
    size_t n_runs;
};
struct gs_merged_stack {
    uint32_t frames[GS_STACK_MAX_DEPTH]; /* innermost first */
    size_t n;
    bool truncated;
};
/* `gap` is the frame that stands for native frames that are not known, between those that are. */
void gs_native_merge(const struct gs_native_list *native, const struct gs_python_list *python,
                     uint32_t gap, struct gs_merged_stack *out);

#endif
