/* SPDX-License-Identifier: MIT
 * Strings, frames and the tree of stacks, shared by all processes of a job and addressed by
 * content: equal stacks of two processes are one node. Stacks are named by their innermost node.
 */
#ifndef GS_STACKS_H
#define GS_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"
#include "analyzer/profile.h"
#include "preload/pyabi/pyabi.h"
#include "preload/trace/trace_codec.h"

#define GS_NAME_MAX_BYTES  1000 /* longer names are cut */
#define GS_STACK_MAX_DEPTH 512  /* deeper stacks keep their innermost frames */

struct gs_strings {
    char **text;
    size_t n, cap;
    uint32_t *slots;
    size_t n_slots;
};
/* Cleaned (UTF-8, cut) and shared; the index is dense. */
uint32_t gs_strings_add(struct gs_strings *t, const char *s, size_t len);
void gs_strings_free(struct gs_strings *t);

struct gs_stacks {
    struct gs_strings strings;
    struct gs_idmap names;        /* file string, function string -> name */
    struct gs_idmap frame_map;    /* name, line -> frame; high bit of a name: of native_names */
    struct gs_idmap native_names; /* name, origin */
    struct gs_idmap origins;      /* module string, enum gs_frame_kind */
    uint64_t *addresses;          /* of frames up to the last native one: the lowest */
    size_t n_addresses, cap_addresses;
    struct gs_stack_node {
        uint32_t parent, frame, child, sibling; /* child: the first; 0: none */
    } * nodes;                                  /* [0] is the root */
    size_t n_nodes, cap_nodes;
    struct gs_idmap other_map; /* parent, frame of children beyond the siblings -> others[] */
    uint32_t *others;
    size_t n_others, cap_others;
    uint32_t no_stack, not_sampled, lost, earlier; /* synthetic nodes under the root */
    enum gs_stack_view view;
    uint64_t line_budget; /* line table bytes still read; hostile ones cost no more */
};
void gs_stacks_init(struct gs_stacks *s);
uint32_t gs_stacks_name(struct gs_stacks *s, const char *file, size_t file_len, const char *func,
                        size_t func_len);
uint32_t gs_stacks_frame(struct gs_stacks *s, uint32_t name, int32_t line);
struct gs_native_place {
    const char *function, *file, *module;
    int32_t line; /* 0: not known */
    enum gs_frame_kind kind;
    uint64_t address;
};
uint32_t gs_stacks_native_frame(struct gs_stacks *s, const struct gs_native_place *place);
uint32_t gs_stacks_child(struct gs_stacks *s, uint32_t parent, uint32_t frame);
/* A node "(…)" without file under the root. */
uint32_t gs_stacks_synthetic(struct gs_stacks *s, const char *func);
/* Moves frames, nodes and strings into the profile and frees the rest. */
void gs_stacks_move(struct gs_stacks *s, struct gs_profile *out);
void gs_stacks_free(struct gs_stacks *s);

/* ---- one process's definitions: CODE and STACK records ---- */
struct gs_code {
    uint32_t name;
    int32_t first_line;
    enum gs_linetable_kind kind;
    const uint8_t *linetable; /* in the capture */
    size_t linetable_len;
};
struct gs_definitions {
    struct gs_idmap code_map; /* code id -> codes[] */
    struct gs_code *codes;
    size_t n_codes, cap_codes;
    struct gs_idmap place_map; /* code, offset -> place_frame[] */
    uint32_t *place_frame;
    size_t n_places, cap_places;
    struct gs_idmap stack_map; /* stack id -> stack_node[] */
    uint32_t *stack_node;
    size_t n_stacks, cap_stacks;
    struct gs_native_stacks *natives; /* NULL: none was met */
    /* The stack before: the next one mostly has its outer frames, which are its record's end. */
    struct gs_defined_frame {
        uint32_t node;
        uint32_t tail_bytes; /* from the frame to the record's end */
    } * last;                /* outermost first */
    size_t n_last, cap_last;
    bool last_is_truncated;
    const uint8_t *last_end; /* in the capture */
};
void gs_definitions_init(struct gs_definitions *d);
void gs_definitions_add_code(struct gs_definitions *d, struct gs_stacks *s, uint32_t id,
                             const struct gs_py_code_info *info);
/* A STACK record; the first definition of an id stays. */
void gs_definitions_add_stack(struct gs_definitions *d, struct gs_stacks *s, struct gs_record *rec);
/* When all are read, before the first node is asked for: stacks get their native frames. */
void gs_definitions_finish(struct gs_definitions *d, struct gs_stacks *s);
/* The node of a stack id; "(no stack)" for 0 and for ids never defined. */
uint32_t gs_definitions_node(const struct gs_definitions *d, const struct gs_stacks *s,
                             uint64_t id);
void gs_definitions_free(struct gs_definitions *d);

#endif
