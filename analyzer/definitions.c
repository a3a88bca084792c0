/* SPDX-License-Identifier: MIT
 * CODE and STACK records of one process -> nodes of the job's tree.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/stacks.h"
#include "analyzer/xalloc.h"

/* Finding a line reads the table from its start, for each place in the code. Real programs read
 * megabytes in all, and have fewer places in a table than this. */
#define PLACES_PER_TABLE 256u

void gs_definitions_init(struct gs_definitions *d)
{
    memset(d, 0, sizeof(*d));
}

void gs_definitions_add_code(struct gs_definitions *d, struct gs_stacks *s, uint32_t id,
                             const struct gs_py_code_info *info)
{
    struct gs_code code = {
        .first_line = info->first_line,
        .kind = info->linetable_kind,
        .linetable = info->linetable,
        .linetable_len = info->linetable_len,
    };
    if (gs_idmap_add(&d->code_map, id) != d->n_codes)
        return;
    s->line_budget += (uint64_t)PLACES_PER_TABLE * info->linetable_len;
    code.name =
        gs_stacks_name(s, info->filename, info->filename_len, info->qualname, info->qualname_len);
    GS_PUSH(d->codes, d->n_codes, d->cap_codes, code);
}

static int32_t line_of(struct gs_stacks *s, const struct gs_code *code, uint32_t instr_off)
{
    if (code->linetable_len == 0)
        return code->first_line > 0 ? code->first_line : -1; /* the function, if not the line */
    if (code->linetable_len > s->line_budget)
        return -1;
    s->line_budget -= code->linetable_len;
    return gs_pyabi_line(code->kind, code->linetable, code->linetable_len, code->first_line,
                         instr_off);
}

/* The frame of a place, decoded once. */
static uint32_t frame_of(struct gs_definitions *d, struct gs_stacks *s, struct gs_place place)
{
    uint32_t at = gs_idmap_add(&d->place_map, gs_pack32(place.code, place.instr_off));
    if (at < d->n_places)
        return d->place_frame[at];
    uint32_t code = gs_idmap_find(&d->code_map, place.code), frame;
    if (code == GS_IDMAP_NONE)
        frame = gs_stacks_frame(s, gs_stacks_name(s, "", 0, "(unknown code)", 14), -1);
    else
        frame =
            gs_stacks_frame(s, d->codes[code].name, line_of(s, &d->codes[code], place.instr_off));
    GS_PUSH(d->place_frame, d->n_places, d->cap_places, frame);
    return frame;
}

/* How many of the outermost frames are those of the stack before. */
static size_t n_shared(const struct gs_definitions *d, uint32_t root, const struct gs_place *places,
                       size_t n)
{
    size_t i = 0;
    if (root != d->last_root)
        return 0;
    while (i < n && i < d->n_last && d->last[i].place.code == places[n - 1 - i].code &&
           d->last[i].place.instr_off == places[n - 1 - i].instr_off)
        i++;
    return i;
}

/* The innermost node of n frames below the root. */
static uint32_t node_of(struct gs_definitions *d, struct gs_stacks *s, uint32_t root,
                        const struct gs_place *places, size_t n)
{
    size_t i = n_shared(d, root, places, n);
    uint32_t node = i ? d->last[i - 1].node : root;
    GS_RESERVE(d->last, n, d->cap_last);
    for (; i < n; i++) {
        struct gs_place place = places[n - 1 - i];
        node = gs_stacks_child(s, node, frame_of(d, s, place));
        d->last[i] = (struct gs_defined_frame){place, node};
    }
    d->last_root = root;
    d->n_last = n;
    return node;
}

void gs_definitions_add_stack(struct gs_definitions *d, struct gs_stacks *s, uint32_t id,
                              bool truncated, const struct gs_place *places, size_t n)
{
    if (gs_idmap_add(&d->stack_map, id) != d->n_stacks)
        return;
    if (n > GS_STACK_MAX_DEPTH) {
        n = GS_STACK_MAX_DEPTH;
        truncated = true;
    }
    uint32_t root = truncated ? gs_stacks_synthetic(s, "(truncated)") : 0;
    uint32_t node = n ? node_of(d, s, root, places, n) : s->no_stack;
    GS_PUSH(d->stack_node, d->n_stacks, d->cap_stacks, node);
}

uint32_t gs_definitions_node(const struct gs_definitions *d, const struct gs_stacks *s, uint64_t id)
{
    if (id == GS_STACK_NONE || id > UINT32_MAX)
        return s->no_stack;
    uint32_t at = gs_idmap_find(&d->stack_map, id);
    return at == GS_IDMAP_NONE ? s->no_stack : d->stack_node[at];
}

void gs_definitions_free(struct gs_definitions *d)
{
    gs_idmap_free(&d->code_map);
    gs_idmap_free(&d->place_map);
    gs_idmap_free(&d->stack_map);
    free(d->codes);
    free(d->place_frame);
    free(d->stack_node);
    free(d->last);
    memset(d, 0, sizeof(*d));
}
