/* SPDX-License-Identifier: MIT */
#include "analyzer/stacks.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

#define LINE_BUDGET  (256u << 20) /* and more for each table, see definitions.c */
#define NATIVE_NAME  (UINT32_C(1) << 31)
#define MAX_SIBLINGS 8u /* that are looked through; a line or two of the cache */

/* ---- strings ---- */

static void place_string(struct gs_strings *t, uint32_t index)
{
    const char *s = t->text[index];
    size_t mask = t->n_slots - 1, at = gs_hash_bytes(s, strlen(s)) & mask;
    while (t->slots[at] != GS_IDMAP_NONE)
        at = (at + 1) & mask;
    t->slots[at] = index;
}

static void grow_strings(struct gs_strings *t)
{
    t->n_slots = t->n_slots ? 2 * t->n_slots : 64;
    free(t->slots);
    t->slots = gs_xmalloc(t->n_slots, sizeof(*t->slots));
    memset(t->slots, 0xff, t->n_slots * sizeof(*t->slots));
    for (size_t i = 0; i < t->n; i++)
        place_string(t, (uint32_t)i);
}

static uint32_t find_string(const struct gs_strings *t, const char *s, size_t len)
{
    size_t mask = t->n_slots - 1;
    for (size_t at = gs_hash_bytes(s, len) & mask;; at = (at + 1) & mask) {
        const char *text = t->slots[at] == GS_IDMAP_NONE ? NULL : t->text[t->slots[at]];
        if (!text || (strncmp(text, s, len) == 0 && text[len] == '\0'))
            return t->slots[at];
    }
}

static uint32_t add_clean(struct gs_strings *t, const char *s, size_t len)
{
    if (2 * (t->n + 1) > t->n_slots)
        grow_strings(t);
    uint32_t index = find_string(t, s, len);
    if (index != GS_IDMAP_NONE)
        return index;
    GS_PUSH(t->text, t->n, t->cap, gs_xstrndup(s, len));
    place_string(t, (uint32_t)(t->n - 1));
    return (uint32_t)(t->n - 1);
}

uint32_t gs_strings_add(struct gs_strings *t, const char *s, size_t len)
{
    if (len <= GS_NAME_MAX_BYTES && gs_utf8_plain(s, len, "") == len)
        return add_clean(t, s, len);
    char *clean = gs_utf8_clean(s, len, GS_NAME_MAX_BYTES);
    uint32_t index = add_clean(t, clean, strlen(clean));
    free(clean);
    return index;
}

void gs_strings_free(struct gs_strings *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->text[i]);
    free(t->text);
    free(t->slots);
    memset(t, 0, sizeof(*t));
}

/* ---- frames and nodes ---- */

void gs_stacks_init(struct gs_stacks *s)
{
    memset(s, 0, sizeof(*s));
    GS_PUSH(s->nodes, s->n_nodes, s->cap_nodes, (struct gs_stack_node){0});
    s->line_budget = LINE_BUDGET;
    s->no_stack = gs_stacks_synthetic(s, "(no stack)");
    s->not_sampled = gs_stacks_synthetic(s, "(not sampled)");
    s->lost = gs_stacks_synthetic(s, "(lost)");
    s->earlier = gs_stacks_synthetic(s, "(before the detail)");
}

uint32_t gs_stacks_name(struct gs_stacks *s, const char *file, size_t file_len, const char *func,
                        size_t func_len)
{
    uint32_t f = gs_strings_add(&s->strings, file, file_len);
    uint32_t q = gs_strings_add(&s->strings, func, func_len);
    return gs_idmap_add(&s->names, gs_pack32(f, q));
}

uint32_t gs_stacks_frame(struct gs_stacks *s, uint32_t name, int32_t line)
{
    return gs_idmap_add(&s->frame_map, gs_pack32(name, (uint32_t)line));
}

static void note_address(struct gs_stacks *s, uint32_t frame, uint64_t address)
{
    GS_RESERVE(s->addresses, (size_t)frame + 1, s->cap_addresses);
    for (; s->n_addresses <= frame; s->n_addresses++)
        s->addresses[s->n_addresses] = UINT64_MAX;
    if (address < s->addresses[frame])
        s->addresses[frame] = address;
}

/* Places of a line are one frame, as they are in Python. */
uint32_t gs_stacks_native_frame(struct gs_stacks *s, const struct gs_native_place *place)
{
    uint32_t module = gs_strings_add(&s->strings, place->module, strlen(place->module));
    uint32_t origin = gs_idmap_add(&s->origins, gs_pack32(module, place->kind));
    uint32_t name = gs_stacks_name(s, place->file, strlen(place->file), place->function,
                                   strlen(place->function));
    uint32_t native = gs_idmap_add(&s->native_names, gs_pack32(name, origin));
    uint32_t frame = gs_stacks_frame(s, native | NATIVE_NAME, place->line > 0 ? place->line : -1);
    note_address(s, frame, place->address);
    return frame;
}

uint32_t gs_stacks_child(struct gs_stacks *s, uint32_t parent, uint32_t frame)
{
    uint32_t *link = &s->nodes[parent].child, node = (uint32_t)s->n_nodes;
    unsigned n = 0;
    for (; *link && n < MAX_SIBLINGS; link = &s->nodes[*link].sibling, n++)
        if (s->nodes[*link].frame == frame)
            return *link;
    if (n < MAX_SIBLINGS) {
        *link = node;
    } else {
        uint32_t at = gs_idmap_add(&s->other_map, gs_pack32(parent, frame));
        if (at < s->n_others)
            return s->others[at];
        GS_PUSH(s->others, s->n_others, s->cap_others, node);
    }
    GS_PUSH(s->nodes, s->n_nodes, s->cap_nodes,
            ((struct gs_stack_node){.parent = parent, .frame = frame}));
    return node;
}

uint32_t gs_stacks_synthetic(struct gs_stacks *s, const char *func)
{
    uint32_t name = gs_stacks_name(s, "", 0, func, strlen(func));
    return gs_stacks_child(s, 0, gs_stacks_frame(s, name, -1));
}

const char *const gs_frame_kind_names[] = {"python", "native", "inlined", "synthetic"};

static struct gs_prof_frame frame_at(const struct gs_stacks *s, uint32_t i)
{
    uint64_t key = s->frame_map.keys[i], name;
    struct gs_prof_frame f = {.line = (int32_t)(uint32_t)key, .module = ""};
    if (key >> 63) {
        uint64_t native = s->native_names.keys[(key >> 32) & ~NATIVE_NAME];
        uint64_t origin = s->origins.keys[(uint32_t)native];
        name = s->names.keys[native >> 32];
        f.module = s->strings.text[origin >> 32];
        f.kind = (enum gs_frame_kind)(uint32_t)origin;
        f.address = s->addresses[i];
    } else {
        name = s->names.keys[key >> 32];
    }
    f.file = s->strings.text[name >> 32];
    f.func = s->strings.text[(uint32_t)name];
    if (f.kind == GS_FRAME_PYTHON && !*f.file && *f.func == '(')
        f.kind = GS_FRAME_SYNTHETIC;
    return f;
}

static void move_frames(struct gs_stacks *s, struct gs_profile *out)
{
    out->n_frames = s->frame_map.n;
    out->frames = gs_xcalloc(out->n_frames, sizeof(*out->frames));
    for (size_t i = 0; i < out->n_frames; i++)
        out->frames[i] = frame_at(s, (uint32_t)i);
}

bool gs_frame_is_raw(const struct gs_prof_frame *f)
{
    return f->kind == GS_FRAME_NATIVE && strncmp(f->func, "0x", 2) == 0;
}

bool gs_profile_has_native(const struct gs_profile *p)
{
    for (size_t i = 0; i < p->n_frames; i++)
        if (gs_frame_is_native(&p->frames[i]))
            return true;
    return false;
}

bool gs_profile_is_code(const struct gs_profile *p, uint32_t node)
{
    const struct gs_prof_frame *f = node ? &p->frames[p->nodes[node].frame] : NULL;
    return f && (f->file[0] || f->module[0]);
}

uint32_t gs_profile_python_node(const struct gs_profile *p, uint32_t node)
{
    for (uint32_t n = node; n; n = p->nodes[n].parent) {
        enum gs_frame_kind kind = p->frames[p->nodes[n].frame].kind;
        if (kind == GS_FRAME_PYTHON)
            return n;
    }
    return node;
}

void gs_stacks_move(struct gs_stacks *s, struct gs_profile *out)
{
    move_frames(s, out);
    out->n_nodes = s->n_nodes;
    out->nodes = gs_xcalloc(out->n_nodes, sizeof(*out->nodes));
    for (size_t i = 1; i < out->n_nodes; i++) {
        out->nodes[i].parent = s->nodes[i].parent;
        out->nodes[i].frame = s->nodes[i].frame;
    }
    out->n_strings = s->strings.n;
    out->strings = s->strings.text;
    s->strings.text = NULL;
    s->strings.n = 0;
    gs_stacks_free(s);
}

void gs_stacks_free(struct gs_stacks *s)
{
    gs_strings_free(&s->strings);
    gs_idmap_free(&s->names);
    gs_idmap_free(&s->frame_map);
    gs_idmap_free(&s->native_names);
    gs_idmap_free(&s->origins);
    free(s->addresses);
    gs_idmap_free(&s->other_map);
    free(s->nodes);
    free(s->others);
    memset(s, 0, sizeof(*s));
}
