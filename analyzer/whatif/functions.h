/* SPDX-License-Identifier: MIT
 * Functions of Python by number: the innermost frames of the stacks that held the GIL, whatever
 * their lines. Private to from_capture.c.
 */
#ifndef GS_WHATIF_FUNCTIONS_H
#define GS_WHATIF_FUNCTIONS_H

#include "analyzer/idmap.h"
#include "analyzer/whatif/from_capture.h"

struct gs_functions {
    const struct gs_stacks *stacks;
    struct gs_idmap map; /* name -> rows[] */
    struct gs_function_row {
        uint32_t node; /* of the longest stretch in it */
        uint64_t node_ns, py_ns;
    } * rows;
    size_t cap;
    uint32_t last_node; /* asked for */
};

void gs_functions_init(struct gs_functions *f, const struct gs_stacks *stacks);
/* 0: the stack is not known, or there are too many functions. */
uint32_t gs_functions_number(struct gs_functions *f, uint32_t node);
void gs_functions_add(struct gs_functions *f, uint32_t number, uint64_t ns);
/* How many; their names are the caller's. */
size_t gs_functions_most(const struct gs_functions *f, struct gs_function most[GS_FUNCTIONS_MOST]);
void gs_functions_free(struct gs_functions *f);

#endif
