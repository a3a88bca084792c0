/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/stack_text.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/stacks.h"
#include "analyzer/xalloc.h"

static char *copy(const char *s)
{
    return gs_xstrndup(s, strlen(s));
}

static struct gs_stack_text_frame frame_at(const struct gs_stacks *s, uint32_t node)
{
    uint64_t frame = s->frame_map.keys[s->nodes[node].frame];
    uint64_t name = s->names.keys[frame >> 32];
    return (struct gs_stack_text_frame){copy(s->strings.text[name >> 32]),
                                        copy(s->strings.text[(uint32_t)name]),
                                        (int32_t)(uint32_t)frame};
}

struct gs_stack_text *gs_stack_text_make(const struct gs_stacks *s, uint32_t node)
{
    size_t n = 0;
    for (uint32_t at = node; at; at = s->nodes[at].parent)
        n++;
    if (!n)
        return NULL;
    struct gs_stack_text *t = gs_xcalloc(1, sizeof(*t) + n * sizeof(t->frames[0]));
    t->n = n;
    for (uint32_t at = node; at; at = s->nodes[at].parent)
        t->frames[--n] = frame_at(s, at);
    return t;
}

static bool is_same(const struct gs_stack_text_frame *a, const struct gs_prof_frame *b)
{
    return a->line == b->line && strcmp(a->func, b->func) == 0 && strcmp(a->file, b->file) == 0;
}

/* Parents come before their children: one walk finds how deep each node's path agrees. */
uint32_t gs_stack_text_find(const struct gs_stack_text *t, const struct gs_profile *p)
{
    uint32_t found = 0;
    if (!t || !p->n_nodes)
        return 0;
    uint32_t *agrees = gs_xcalloc(p->n_nodes, sizeof(*agrees)); /* frames + 1; 0: it does not */
    agrees[0] = 1;
    for (size_t i = 1; i < p->n_nodes && !found; i++) {
        uint32_t depth = agrees[p->nodes[i].parent];
        if (!depth || depth > t->n ||
            !is_same(&t->frames[depth - 1], &p->frames[p->nodes[i].frame]))
            continue;
        agrees[i] = depth + 1;
        found = depth == t->n ? (uint32_t)i : 0;
    }
    free(agrees);
    return found;
}

void gs_stack_text_free(struct gs_stack_text *t)
{
    for (size_t i = 0; t && i < t->n; i++) {
        free(t->frames[i].file);
        free(t->frames[i].func);
    }
    free(t);
}
