/* SPDX-License-Identifier: MIT
 * The innermost frame of a stack, as text. Private to what tells Python's own functions by name.
 */
#ifndef GS_WHATIF_STACK_FRAME_H
#define GS_WHATIF_STACK_FRAME_H

#include <string.h>

#include "analyzer/stacks.h"

struct gs__frame {
    const char *path, *function; /* function: with its class, where that is known */
    uint32_t line;
};

/* node: not the root */
static inline struct gs__frame gs__frame_of(const struct gs_stacks *s, uint32_t node)
{
    uint64_t frame = s->frame_map.keys[s->nodes[node].frame];
    uint64_t name = s->names.keys[frame >> 32];
    return (struct gs__frame){s->strings.text[name >> 32], s->strings.text[(uint32_t)name],
                              (uint32_t)frame};
}

/* Without its class. */
static inline const char *gs__bare_name(const char *function)
{
    const char *dot = strrchr(function, '.');
    return dot ? dot + 1 : function;
}

/* Whole names of folders only. */
static inline bool gs__path_ends(const char *path, const char *end)
{
    size_t n = strlen(path), n_end = strlen(end);
    if (n < n_end || strcmp(path + n - n_end, end) != 0)
        return false;
    return n == n_end || path[n - n_end - 1] == '/';
}

#endif
