/* SPDX-License-Identifier: MIT */
#include "analyzer/native_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/native_merge.h"
#include "analyzer/records.h"
#include "analyzer/xalloc.h"

#define MAX_PLACES      512u /* of a stack; the agent's are 128 at most */
#define MAX_CHAIN       64u  /* functions of one place */
#define MAX_RUNS        GS_STACK_MAX_DEPTH
/* A record of some bytes may name a deep stack and put one frame below it: all its nodes are new.
 * Those of real programs share nearly all. */
#define NODE_BUDGET     (8u << 20)
#define NODES_PER_STACK 32u

struct gs_native_stacks *gs_native_stacks_of(struct gs_definitions *d, uint32_t pid,
                                             int64_t began_unix_ns)
{
    if (!d->natives) {
        d->natives = gs_xcalloc(1, sizeof(*d->natives));
        d->natives->symbols = gs_symbols_new(pid, began_unix_ns);
        d->natives->node_budget = NODE_BUDGET;
    }
    return d->natives;
}

void gs_native_stacks_add_module(struct gs_native_stacks *t, struct gs_stacks *s,
                                 struct gs_record *rec, uint32_t module)
{
    size_t build_id_len;
    for (int i = 0; i < 3; i++)
        gs_record_get_u(rec); /* start, end, bias */
    const uint8_t *build_id = gs_record_get_bytes(rec, &build_id_len);
    char *path = gs__record_string(rec);
    if (gs_idmap_add(&t->module_map, module) == t->n_modules) {
        uint32_t name = gs_strings_add(&s->strings, path, strlen(path));
        GS_PUSH(t->module_names, t->n_modules, t->cap_modules, name);
        gs_symbols_add_module(t->symbols, module, build_id, build_id_len, path);
    }
    free(path);
}

void gs_native_stacks_add_symbol(struct gs_native_stacks *t, struct gs_record *rec)
{
    uint32_t module = gs__record_u32(rec);
    uint64_t offset = gs_record_get_u(rec);
    uint32_t depth = gs__record_u32(rec);
    char *function = gs__record_string(rec), *file = gs__record_string(rec);
    int64_t line = gs_record_get_z(rec);
    if (*function && depth < MAX_CHAIN)
        gs_symbols_add_known(t->symbols, module, offset, depth, function, file,
                             line > 0 && line <= INT32_MAX ? (int32_t)line : 0);
    free(function);
    free(file);
}

void gs_native_stacks_add(struct gs_definitions *d, struct gs_native_stacks *t, struct gs_stacks *s,
                          struct gs_record *rec)
{
    uint32_t at = gs_idmap_add(&d->stack_map, gs__record_u32(rec));
    if (at != d->n_stacks)
        return;
    GS_PUSH(d->stack_node, d->n_stacks, d->cap_stacks, s->no_stack);
    struct gs_native_pending pending = {at, *rec};
    GS_PUSH(t->pending, t->n_pending, t->cap_pending, pending);
    gs_idmap_add(&t->native_ats, at);
}

/* ---- places ---- */

static bool is_loop(const char *function)
{
    static const char loop[] = "_PyEval_EvalFrameDefault";
    size_t len = sizeof(loop) - 1;
    if (strncmp(function, loop, len) != 0)
        return false;
    return function[len] == '\0' || function[len] == '.' || function[len] == ' ';
}

/* What -X perf puts around each Python function, and the one instruction of it that runs, where
 * each is a function of its own (tail calls, from 3.14 on; the loop's frame stays below it): the
 * Python frame is there already. */
static bool gives_way(const struct gs_symbol *symbol, uint32_t module)
{
    const char *name = module == 0 ? "py::" : "_TAIL_CALL_";
    return strncmp(symbol->function, name, strlen(name)) == 0;
}

static const char *module_path(const struct gs_native_stacks *t, const struct gs_stacks *s,
                               uint32_t module)
{
    uint32_t at = gs_idmap_find(&t->module_map, module);
    return at == GS_IDMAP_NONE ? "" : s->strings.text[t->module_names[at]];
}

static struct gs_code_place symbolize(struct gs_native_stacks *t, struct gs_stacks *s,
                                      uint32_t module, uint64_t offset)
{
    size_t n;
    const struct gs_symbol *chain = gs_symbols_at(t->symbols, module, offset, &n);
    n = n ? n : 1;
    size_t skipped = n > MAX_CHAIN ? n - MAX_CHAIN : 0; /* the function itself stays */
    struct gs_code_place place = {.first = (uint32_t)t->n_frames, .n = (uint32_t)(n - skipped)};
    char *path = gs_xasprintf("%s", module_path(t, s, module)); /* strings may move */
    place.loop = place.gives_way = place.n;
    for (size_t i = skipped; i < n; i++) {
        const struct gs_native_place at = {
            .function = chain[i].function,
            .file = chain[i].file,
            .module = path,
            .line = chain[i].line,
            .kind = i + 1 < n ? GS_FRAME_INLINED : GS_FRAME_NATIVE,
            .address = offset,
        };
        if (is_loop(chain[i].function))
            place.loop = (uint32_t)(i - skipped);
        if (gives_way(&chain[i], module))
            place.gives_way = (uint32_t)(i - skipped);
        GS_PUSH(t->frames, t->n_frames, t->cap_frames, gs_stacks_native_frame(s, &at));
    }
    free(path);
    return place;
}

/* Looked up once. */
static const struct gs_code_place *place_of(struct gs_native_stacks *t, struct gs_stacks *s,
                                            uint32_t module, uint64_t offset)
{
    uint32_t dense = gs_idmap_add(&t->offsets, offset);
    uint32_t at = gs_idmap_add(&t->place_map, gs_pack32(module, dense));
    if (at == t->n_places) {
        struct gs_code_place place = symbolize(t, s, module, offset);
        GS_PUSH(t->places, t->n_places, t->cap_places, place);
    }
    return &t->places[at];
}

/* ---- one record ---- */

struct stack_parts {
    uint32_t runs[MAX_RUNS], python[GS_STACK_MAX_DEPTH + 1];
    struct gs_native_entry *native; /* innermost first */
    size_t n_native, cap_native;
    struct gs_native_list n;
    struct gs_python_list p;
    struct gs_merged_stack merged;
};

/* More runs than there can be frames fit nothing: one that is too long says so. */
static void get_runs(struct gs_record *rec, struct stack_parts *out)
{
    size_t n = 0;
    for (uint64_t left = gs_record_get_u(rec); left > 0 && rec->pos < rec->end; left--) {
        uint32_t run = gs__record_u32(rec);
        if (n < MAX_RUNS)
            out->runs[n++] = run;
        else
            out->runs[0] = UINT32_MAX;
    }
    out->p.runs = out->runs;
    out->p.n_runs = n;
}

static void get_places(struct gs_native_stacks *t, struct gs_stacks *s, struct gs_record *rec,
                       struct stack_parts *out)
{
    size_t n = 0;
    out->n_native = 0;
    for (uint64_t left = gs_record_get_u(rec); left > 0 && rec->pos < rec->end; left--, n++) {
        uint32_t module = gs__record_u32(rec);
        uint64_t offset = gs_record_get_u(rec);
        if (n == MAX_PLACES) {
            out->n.truncated = true;
            break;
        }
        const struct gs_code_place *place = place_of(t, s, module, offset);
        for (uint32_t i = 0; i < place->n; i++) {
            if (i == place->gives_way && s->view == GS_STACKS_BOTH)
                continue;
            struct gs_native_entry entry = {t->frames[place->first + i], i == place->loop};
            GS_PUSH(out->native, out->n_native, out->cap_native, entry);
        }
    }
    out->n.at = out->native;
    out->n.n = out->n_native;
}

/* The frames of a node that STACK records made. */
static void get_python(const struct gs_stacks *s, uint32_t node, uint32_t truncated_node,
                       struct stack_parts *out)
{
    size_t n = 0;
    out->p.truncated = false;
    if (node == s->no_stack)
        node = 0;
    for (; node && n <= GS_STACK_MAX_DEPTH; node = s->nodes[node].parent) {
        if (node == truncated_node)
            out->p.truncated = true;
        else
            out->python[n++] = s->nodes[node].frame;
    }
    out->p.frames = out->python;
    out->p.n = n;
}

static uint32_t node_of(struct gs_stacks *s, const struct gs_merged_stack *m, uint32_t truncated)
{
    uint32_t node = m->truncated ? truncated : 0;
    for (size_t i = m->n; i-- > 0;)
        node = gs_stacks_child(s, node, m->frames[i]);
    return node;
}

/* python_stack, as a node. A native stack is none of Python's. */
static uint32_t python_node(const struct gs_definitions *d, struct gs_stacks *s, uint64_t id)
{
    uint32_t at = id && id <= UINT32_MAX ? gs_idmap_find(&d->stack_map, id) : GS_IDMAP_NONE;
    if (at == GS_IDMAP_NONE)
        return s->no_stack;
    if (gs_idmap_find(&d->natives->native_ats, at) != GS_IDMAP_NONE)
        return gs_stacks_synthetic(s, "(unknown)");
    return d->stack_node[at];
}

static uint32_t merged_node(struct gs_native_stacks *t, struct gs_stacks *s, uint32_t python,
                            struct gs_record *rec, struct stack_parts *parts)
{
    uint32_t truncated = gs_stacks_synthetic(s, "(truncated)");
    size_t before = s->n_nodes;
    t->node_budget += NODES_PER_STACK;
    if (t->node_budget < GS_STACK_MAX_DEPTH)
        return python;
    parts->n.truncated = gs_record_get_u(rec) != 0;
    get_runs(rec, parts);
    get_places(t, s, rec, parts);
    if (!parts->n.n)
        return python;
    get_python(s, python, truncated, parts);
    gs_native_merge(&parts->n, &parts->p, s->nodes[truncated].frame, &parts->merged);
    uint32_t node = node_of(s, &parts->merged, truncated);
    t->node_budget -= s->n_nodes - before;
    return node;
}

static void resolve_all(struct gs_definitions *d, struct gs_stacks *s, uint32_t no_native)
{
    struct gs_native_stacks *t = d->natives;
    struct stack_parts *parts = gs_xcalloc(1, sizeof(*parts));
    for (size_t i = 0; i < t->n_pending; i++) {
        struct gs_record rec = t->pending[i].rec;
        uint32_t node = python_node(d, s, gs_record_get_u(&rec));
        if (s->view == GS_STACKS_NATIVE)
            node = merged_node(t, s, s->no_stack, &rec, parts);
        else if (s->view == GS_STACKS_BOTH)
            node = merged_node(t, s, node, &rec, parts);
        if (s->view == GS_STACKS_NATIVE && node == s->no_stack)
            node = no_native;
        d->stack_node[t->pending[i].at] = node;
    }
    free(parts->native);
    free(parts);
}

void gs_native_stacks_resolve(struct gs_definitions *d, struct gs_stacks *s)
{
    resolve_all(d, s, s->no_stack);
}

void gs_native_stacks_alone(struct gs_definitions *d, struct gs_stacks *s)
{
    uint32_t no_native = gs_stacks_synthetic(s, "(no native stack)");
    for (size_t i = 0; i < d->n_stacks; i++)
        d->stack_node[i] = no_native;
    if (d->natives)
        resolve_all(d, s, no_native);
}

void gs_native_stacks_free(struct gs_native_stacks *t)
{
    if (!t)
        return;
    gs_symbols_free(t->symbols);
    gs_idmap_free(&t->module_map);
    gs_idmap_free(&t->native_ats);
    gs_idmap_free(&t->offsets);
    gs_idmap_free(&t->place_map);
    free(t->module_names);
    free(t->pending);
    free(t->places);
    free(t->frames);
    free(t);
}
