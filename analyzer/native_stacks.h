/* SPDX-License-Identifier: MIT
 * NATIVE_STACK records of one process -> nodes of the job's tree. Definitions come in any order, so
 * they are kept where they are, in the capture, until all are read.
 */
#ifndef GS_NATIVE_STACKS_H
#define GS_NATIVE_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzer/stacks.h"
#include "analyzer/symbols/symbols.h"

struct gs_native_stacks {
    struct gs_symbols *symbols;
    struct gs_idmap module_map; /* module id -> module_names[] */
    uint32_t *module_names;     /* strings of their paths */
    size_t n_modules, cap_modules;
    struct gs_native_pending {
        uint32_t at;          /* stack_node[] */
        struct gs_record rec; /* from python_stack on */
    } * pending;
    size_t n_pending, cap_pending;
    struct gs_idmap native_ats;         /* of pending: which stack_node[] are native */
    struct gs_idmap offsets, place_map; /* module id, offset (dense) -> places[] */
    struct gs_code_place {
        uint32_t first, n;  /* frames[]: the innermost first */
        uint32_t loop;      /* which of them is the interpreter's loop; n: none */
        uint32_t gives_way; /* its frame that Python frames replace; n: none */
    } * places;
    size_t n_places, cap_places;
    uint32_t *frames;
    size_t n_frames, cap_frames;
    uint64_t node_budget; /* new nodes of native stacks; hostile ones cost no more */
};

/* That of the definitions, made at its first record. */
struct gs_native_stacks *gs_native_stacks_of(struct gs_definitions *d, uint32_t pid,
                                             int64_t began_unix_ns);
void gs_native_stacks_add_module(struct gs_native_stacks *t, struct gs_stacks *s,
                                 struct gs_record *rec, uint32_t module);
void gs_native_stacks_add_symbol(struct gs_native_stacks *t, struct gs_record *rec);
/* A NATIVE_STACK record; the first definition of an id stays. */
void gs_native_stacks_add(struct gs_definitions *d, struct gs_native_stacks *t, struct gs_stacks *s,
                          struct gs_record *rec);
/* Once, when all records are read: gives every native stack its node. */
void gs_native_stacks_resolve(struct gs_definitions *d, struct gs_stacks *s);
/* The same where native frames alone are shown: the other stacks are "(no native stack)". */
void gs_native_stacks_alone(struct gs_definitions *d, struct gs_stacks *s);
void gs_native_stacks_free(struct gs_native_stacks *t); /* NULL: nothing */

#endif
