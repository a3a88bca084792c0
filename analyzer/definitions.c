/* SPDX-License-Identifier: MIT
 * CODE and STACK records of one process -> nodes of the job's tree.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/native_stacks.h"
#include "analyzer/records.h"
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

struct place {
    uint32_t code, instr_off;
    uint32_t tail_bytes; /* see struct gs_defined_frame */
};

/* The frame of a place, decoded once. */
static uint32_t frame_of(struct gs_definitions *d, struct gs_stacks *s, struct place place)
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

/* How many bytes at the record's end are those of the stack before. */
static size_t common_tail(const struct gs_definitions *d, const struct gs_record *rec)
{
    size_t max = (size_t)(rec->end - rec->pos), n = 0;
    if (d->n_last == 0)
        return 0;
    if (d->last[d->n_last - 1].tail_bytes < max)
        max = d->last[d->n_last - 1].tail_bytes;
    for (uint64_t a, b; n + 8 <= max; n += 8) {
        memcpy(&a, rec->end - n - 8, 8);
        memcpy(&b, d->last_end - n - 8, 8);
        if (a != b)
            break;
    }
    while (n < max && rec->end[-1 - (ptrdiff_t)n] == d->last_end[-1 - (ptrdiff_t)n])
        n++;
    return n;
}

/* Whether the `left` frames that begin here are the outermost ones of the stack before. */
static bool is_shared(const struct gs_definitions *d, const struct gs_record *rec, uint64_t left,
                      size_t common)
{
    size_t bytes = (size_t)(rec->end - rec->pos);
    return bytes <= common && left <= d->n_last && d->last[left - 1].tail_bytes == bytes;
}

/* n places, innermost first, below `shared` frames of the stack before: the innermost node. */
static uint32_t node_of(struct gs_definitions *d, struct gs_stacks *s, bool truncated,
                        const struct place *places, size_t n, size_t shared)
{
    uint32_t node = 0;
    if (shared)
        node = d->last[shared - 1].node;
    else if (truncated)
        node = gs_stacks_synthetic(s, "(truncated)");
    GS_RESERVE(d->last, shared + n, d->cap_last);
    for (size_t i = n; i-- > 0;) {
        node = gs_stacks_child(s, node, frame_of(d, s, places[i]));
        d->last[shared + n - 1 - i] = (struct gs_defined_frame){node, places[i].tail_bytes};
    }
    d->n_last = shared + n;
    d->last_is_truncated = truncated;
    return shared + n ? node : s->no_stack;
}

void gs_definitions_add_stack(struct gs_definitions *d, struct gs_stacks *s, struct gs_record *rec)
{
    struct place places[GS_STACK_MAX_DEPTH + 1];
    size_t n = 0, common = 0, shared = 0;
    uint32_t id = gs__record_u32(rec);
    bool truncated = gs_record_get_u(rec) != 0;
    uint64_t left = gs_record_get_u(rec);
    if (gs_idmap_add(&d->stack_map, id) != d->n_stacks)
        return;
    if (left <= GS_STACK_MAX_DEPTH && truncated == d->last_is_truncated)
        common = common_tail(d, rec);
    for (; left > 0 && rec->pos < rec->end && n <= GS_STACK_MAX_DEPTH; left--) {
        if (common && is_shared(d, rec, left, common)) {
            shared = left;
            break;
        }
        places[n].tail_bytes = (uint32_t)(rec->end - rec->pos);
        places[n].code = gs__record_u32(rec);
        places[n++].instr_off = gs__record_u32(rec);
    }
    if (n > GS_STACK_MAX_DEPTH) {
        n = GS_STACK_MAX_DEPTH;
        truncated = true;
    }
    uint32_t node = node_of(d, s, truncated, places, n, shared);
    d->last_end = rec->end;
    GS_PUSH(d->stack_node, d->n_stacks, d->cap_stacks, node);
}

void gs_definitions_finish(struct gs_definitions *d, struct gs_stacks *s)
{
    if (s->view == GS_STACKS_NATIVE)
        gs_native_stacks_alone(d, s);
    else if (d->natives)
        gs_native_stacks_resolve(d, s);
    gs_native_stacks_free(d->natives);
    d->natives = NULL;
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
    gs_native_stacks_free(d->natives);
    gs_idmap_free(&d->code_map);
    gs_idmap_free(&d->place_map);
    gs_idmap_free(&d->stack_map);
    free(d->codes);
    free(d->place_frame);
    free(d->stack_node);
    free(d->last);
    memset(d, 0, sizeof(*d));
}
