/* SPDX-License-Identifier: MIT
 * A stack by itself, after the stacks it was one of are gone; and the same one in a profile.
 */
#ifndef GS_WHATIF_STACK_TEXT_H
#define GS_WHATIF_STACK_TEXT_H

#include "analyzer/profile.h"

struct gs_stacks;
struct gs_stack_text {
    size_t n;
    struct gs_stack_text_frame {
        char *file, *func;
        int32_t line;
    } frames[]; /* outermost first */
};

/* NULL: the node is the root. */
struct gs_stack_text *gs_stack_text_make(const struct gs_stacks *s, uint32_t node);
/* 0: the profile has no such stack, or there is none. */
uint32_t gs_stack_text_find(const struct gs_stack_text *t, const struct gs_profile *p);
void gs_stack_text_free(struct gs_stack_text *t);

#endif
