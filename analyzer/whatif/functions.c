/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/functions.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/stacks.h"
#include "analyzer/xalloc.h"

void gs_functions_init(struct gs_functions *f, const struct gs_stacks *stacks)
{
    memset(f, 0, sizeof(*f));
    f->stacks = stacks;
}

static uint32_t name_of(const struct gs_stacks *s, uint32_t node)
{
    return (uint32_t)(s->frame_map.keys[s->nodes[node].frame] >> 32);
}

/* Frames like "(not sampled)" are of no file. */
static bool is_code(const struct gs_stacks *s, uint32_t node)
{
    return node && s->strings.text[s->names.keys[name_of(s, node)] >> 32][0] != '\0';
}

uint32_t gs_functions_number(struct gs_functions *f, uint32_t node)
{
    f->last_node = node;
    if (!is_code(f->stacks, node))
        return 0;
    uint32_t at = gs_idmap_add(&f->map, name_of(f->stacks, node));
    size_t had = f->cap;
    if (at + 1 >= GS_OBJECTS)
        return 0;
    GS_RESERVE(f->rows, (size_t)at + 1, f->cap);
    memset(f->rows + had, 0, (f->cap - had) * sizeof(*f->rows));
    return at + 1;
}

void gs_functions_add(struct gs_functions *f, uint32_t number, uint64_t ns)
{
    if (!number)
        return;
    struct gs_function_row *row = &f->rows[number - 1];
    row->py_ns += ns;
    if (ns > row->node_ns) {
        row->node_ns = ns;
        row->node = f->last_node;
    }
}

static char *text_of(const struct gs_stacks *s, uint32_t node)
{
    uint64_t name = s->names.keys[name_of(s, node)];
    return gs_xasprintf("%s (%s)", s->strings.text[(uint32_t)name],
                        gs_fmt_basename(s->strings.text[name >> 32]));
}

size_t gs_functions_most(const struct gs_functions *f, struct gs_function most[GS_FUNCTIONS_MOST])
{
    size_t n = 0;
    for (uint32_t i = 0; i < f->map.n && i + 1 < GS_OBJECTS; i++) {
        const struct gs_function_row *row = &f->rows[i];
        size_t at = n;
        while (at > 0 && most[at - 1].py_ns < row->py_ns)
            at--;
        if (row->py_ns == 0 || at == GS_FUNCTIONS_MOST)
            continue;
        n += n < GS_FUNCTIONS_MOST;
        memmove(most + at + 1, most + at, (n - 1 - at) * sizeof(*most));
        most[at] = (struct gs_function){NULL, i + 1, row->node, row->py_ns};
    }
    for (size_t i = 0; i < n; i++)
        most[i].name = text_of(f->stacks, most[i].node);
    return n;
}

void gs_functions_free(struct gs_functions *f)
{
    gs_idmap_free(&f->map);
    free(f->rows);
}
