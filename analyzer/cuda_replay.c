/* SPDX-License-Identifier: MIT */
#include "analyzer/cuda_replay.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define NONE       UINT32_MAX
#define MIN_PLACES 4096u

uint64_t gs_cuda_effect_ns(const struct gs_cuda_row *row)
{
    bool after = row->op == GS_CUDA_OP_ALLOC ||
                 (row->op == GS_CUDA_OP_FREE && row->kind == GS_CUDA_KIND_VMM);
    return after ? row->t_ns + row->duration_ns : row->t_ns;
}

void gs_cuda_replay_open(struct gs_cuda_replay *r, const struct gs_cuda_rows *rows,
                         uint64_t from_ns)
{
    memset(r, 0, sizeof(*r));
    r->rows = rows;
    gs_row_cursor_open(&r->next, &rows->rows);
    r->t_ns = from_ns;
    r->free_block = NONE;
}

void gs_cuda_replay_close(struct gs_cuda_replay *r)
{
    gs_row_cursor_close(&r->next);
    gs_idmap_free(&r->address_map);
    gs_idmap_free(&r->place_map);
    gs_idmap_free(&r->context_map);
    gs_idmap_free(&r->device_map);
    gs_idmap_free(&r->node_map);
    free(r->places);
    free(r->blocks);
    free(r->contexts);
    free(r->devices);
    free(r->nodes);
    memset(r, 0, sizeof(*r));
}

/* ---- what there is ---- */

static uint32_t device_at(struct gs_cuda_replay *r, int64_t device)
{
    uint32_t at = gs_idmap_add(&r->device_map, (uint64_t)device);
    if (at == r->n_devices) {
        struct gs_cuda_live_device d = {.device = device};
        GS_PUSH(r->devices, r->n_devices, r->cap_devices, d);
    }
    return at;
}

const struct gs_cuda_live_device *gs_cuda_replay_device(const struct gs_cuda_replay *r,
                                                        int64_t device)
{
    uint32_t at = gs_idmap_find(&r->device_map, (uint64_t)device);
    return at == GS_IDMAP_NONE ? NULL : &r->devices[at];
}

const struct gs_cuda_live_context *gs_cuda_replay_context(const struct gs_cuda_replay *r,
                                                          uint32_t context)
{
    uint32_t at = gs_idmap_find(&r->context_map, context);
    return at == GS_IDMAP_NONE ? NULL : &r->contexts[at];
}

static uint32_t context_at(struct gs_cuda_replay *r, uint32_t context)
{
    uint32_t at = gs_idmap_add(&r->context_map, context);
    if (at == r->n_contexts) {
        struct gs_cuda_live_context c = {.context = context, .first = NONE};
        c.device = device_at(r, gs_cuda_device_of(r->rows, context));
        GS_PUSH(r->contexts, r->n_contexts, r->cap_contexts, c);
    }
    return at;
}

static uint32_t node_at(struct gs_cuda_replay *r, uint32_t node)
{
    uint32_t at = gs_idmap_add(&r->node_map, node);
    if (at == r->n_nodes) {
        struct gs_cuda_live_node n = {.node = node};
        GS_PUSH(r->nodes, r->n_nodes, r->cap_nodes, n);
    }
    return at;
}

static bool is_empty(const struct gs_cuda_replay *r, size_t place)
{
    return r->places[place] == NONE;
}

/* Numbers the places anew in which something lives. */
static void drop_empty_places(struct gs_cuda_replay *r)
{
    struct gs_idmap addresses = {0}, places = {0};
    size_t kept = 0;
    for (size_t i = 0; i < r->n_places; i++) {
        if (is_empty(r, i))
            continue;
        uint64_t key = r->place_map.keys[i], address = r->address_map.keys[key >> 32];
        uint32_t index = gs_idmap_add(&addresses, address);
        uint32_t at = gs_idmap_add(&places, gs_pack32(index, (uint32_t)key));
        for (uint32_t b = r->places[i]; b != NONE; b = r->blocks[b].under)
            r->blocks[b].place = at;
        r->places[kept++] = r->places[i];
    }
    gs_idmap_free(&r->address_map);
    gs_idmap_free(&r->place_map);
    r->address_map = addresses;
    r->place_map = places;
    r->n_places = kept;
}

/* Addresses of all that ever lived would be without number. */
static uint32_t place_at(struct gs_cuda_replay *r, unsigned kind, uint64_t address)
{
    if (r->n_places >= r->most_places) {
        drop_empty_places(r);
        r->most_places = 2 * r->n_places + MIN_PLACES;
    }
    uint32_t index = gs_idmap_add(&r->address_map, address);
    uint32_t at = gs_idmap_add(&r->place_map, gs_pack32(index, kind));
    if (at == r->n_places)
        GS_PUSH(r->places, r->n_places, r->cap_places, NONE);
    return at;
}

/* The newest there; NONE: nothing lives there. */
static uint32_t find_block(const struct gs_cuda_replay *r, unsigned kind, uint64_t address)
{
    uint32_t index = gs_idmap_find(&r->address_map, address);
    if (index == GS_IDMAP_NONE)
        return NONE;
    uint32_t at = gs_idmap_find(&r->place_map, gs_pack32(index, kind));
    return at == GS_IDMAP_NONE ? NONE : r->places[at];
}

static uint32_t new_block(struct gs_cuda_replay *r)
{
    uint32_t at = r->free_block;
    if (at == NONE) {
        struct gs_cuda_block b = {0};
        GS_PUSH(r->blocks, r->n_blocks, r->cap_blocks, b);
        return (uint32_t)(r->n_blocks - 1);
    }
    r->free_block = r->blocks[at].next;
    return at;
}

/* Memory of other processes may be opened, and a graph's be made, more than once at one address.
 * Of all other kinds what lives there must have ended unseen. */
static bool may_come_again(unsigned kind)
{
    return kind == GS_CUDA_KIND_IPC || kind == GS_CUDA_KIND_GRAPH;
}

static void leave_place(struct gs_cuda_replay *r, const struct gs_cuda_block *b)
{
    if (b->under != NONE)
        r->blocks[b->under].over = b->over;
    if (b->over != NONE)
        r->blocks[b->over].under = b->under;
    else
        r->places[b->place] = b->under;
}

/* ---- who ends with a context ---- */

/* The driver keeps handles of memory, and memory of others, beyond a context. */
static bool ends_with_context(unsigned kind)
{
    return kind != GS_CUDA_KIND_VMM && kind != GS_CUDA_KIND_IPC;
}

static void link_block(struct gs_cuda_replay *r, uint32_t at)
{
    struct gs_cuda_block *b = &r->blocks[at];
    struct gs_cuda_live_context *c = &r->contexts[b->context];
    b->prev = NONE;
    b->next = c->first;
    if (c->first != NONE)
        r->blocks[c->first].prev = at;
    c->first = at;
}

static void unlink_block(struct gs_cuda_replay *r, uint32_t at)
{
    const struct gs_cuda_block *b = &r->blocks[at];
    if (b->next != NONE)
        r->blocks[b->next].prev = b->prev;
    if (b->prev != NONE)
        r->blocks[b->prev].next = b->next;
    else
        r->contexts[b->context].first = b->next;
}

/* ---- effects ---- */

static void count_device_bytes(struct gs_cuda_replay *r, const struct gs_cuda_block *b, bool more)
{
    struct gs_cuda_live_context *c = &r->contexts[b->context];
    struct gs_cuda_live_device *d = &r->devices[c->device];
    uint64_t bytes = more ? b->bytes : 0 - b->bytes; /* sums never go below 0 */
    r->device_bytes += bytes;
    r->nodes[b->node].bytes += bytes;
    c->bytes += bytes;
    if (c->bytes > c->peak_bytes)
        c->peak_bytes = c->bytes;
    d->bytes += bytes;
    if (b->kind != GS_CUDA_KIND_MANAGED)
        d->allocated_bytes += bytes;
}

static void end_block(struct gs_cuda_replay *r, uint32_t at)
{
    struct gs_cuda_block *b = &r->blocks[at];
    b->lives = false;
    r->all_bytes -= b->bytes;
    r->kind_bytes[b->kind] -= b->bytes;
    if (gs_cuda_is_device_kind(b->kind))
        count_device_bytes(r, b, false);
    if (ends_with_context(b->kind))
        unlink_block(r, at);
    leave_place(r, b);
    b->next = r->free_block;
    r->free_block = at;
}

static bool on_alloc(struct gs_cuda_replay *r, const struct gs_cuda_row *row)
{
    uint32_t place = place_at(r, row->kind, row->address);
    if (r->places[place] != NONE && !may_come_again(row->kind))
        end_block(r, r->places[place]);
    uint32_t at = new_block(r), under = r->places[place];
    struct gs_cuda_block *b = &r->blocks[at];
    uint64_t room = GS_CUDA_LIVE_MAX - r->all_bytes;
    if (under != NONE)
        r->blocks[under].over = at;
    r->places[place] = at;
    b->place = place;
    b->over = NONE;
    b->under = under;
    b->kind = row->kind;
    b->lives = true;
    b->bytes = row->bytes < room ? row->bytes : room;
    b->context = context_at(r, row->context);
    b->node = node_at(r, row->node);
    r->all_bytes += b->bytes;
    r->kind_bytes[b->kind] += b->bytes;
    r->counts[b->kind].allocations++;
    if (gs_cuda_is_device_kind(b->kind)) {
        r->nodes[b->node].allocations++;
        count_device_bytes(r, b, true);
    }
    if (ends_with_context(b->kind))
        link_block(r, at);
    return true;
}

/* A free of 0 bytes lets nothing go yet: a handle of memory that is still mapped. */
static bool on_free(struct gs_cuda_replay *r, const struct gs_cuda_row *row)
{
    uint32_t at = find_block(r, row->kind, row->address);
    if (row->flags & GS_CUDA_UNKNOWN)
        return false;
    if (at != NONE && r->blocks[at].bytes && !row->bytes)
        return false;
    r->counts[row->kind].frees++;
    if (at == NONE)
        return false;
    end_block(r, at);
    return true;
}

static bool on_context_end(struct gs_cuda_replay *r, const struct gs_cuda_row *row)
{
    uint32_t context = gs_idmap_find(&r->context_map, row->context);
    bool changed = false;
    if (row->context == 0 || context == GS_IDMAP_NONE)
        return false;
    while (r->contexts[context].first != NONE) {
        r->counts[r->blocks[r->contexts[context].first].kind].frees++;
        end_block(r, r->contexts[context].first);
        changed = true;
    }
    return changed;
}

static bool is_memory(const struct gs_cuda_row *row)
{
    return row->kind != GS_CUDA_KIND_NONE && row->kind < GS_CUDA_KIND_MODULE;
}

static bool apply(struct gs_cuda_replay *r, const struct gs_cuda_row *row)
{
    if (row->op == GS_CUDA_OP_CONTEXT_END && row->result == 0)
        return on_context_end(r, row);
    if (!is_memory(row))
        return false;
    if (row->op == GS_CUDA_OP_ALLOC && row->result != 0)
        r->counts[row->kind].failed++;
    else if (row->op == GS_CUDA_OP_ALLOC)
        return on_alloc(r, row);
    else if (row->op == GS_CUDA_OP_FREE && row->result == 0)
        return on_free(r, row);
    return false;
}

const struct gs_cuda_row *gs_cuda_replay_peek(struct gs_cuda_replay *r)
{
    return gs_row_peek(&r->next);
}

const struct gs_cuda_row *gs_cuda_replay_step(struct gs_cuda_replay *r, bool *changed)
{
    const struct gs_cuda_row *row = gs_row_next(&r->next);
    if (!row)
        return NULL;
    uint64_t ns = gs_cuda_effect_ns(row);
    *changed = apply(r, row);
    if (ns > r->t_ns)
        r->t_ns = ns;
    return row;
}
