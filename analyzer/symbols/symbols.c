/* SPDX-License-Identifier: MIT
 * What the capture itself says of its places: SYMBOL records, else the address in its module.
 */
#include "analyzer/symbols/symbols.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"
#include "analyzer/xalloc.h"

#define MAX_CHAIN 32u

struct place {
    struct gs_symbol *chain;
    size_t n, cap;
    char *raw; /* "0x1234 (libx.so)" */
    struct gs_symbol unknown;
};
struct gs_symbols {
    struct gs_idmap modules, offsets, place_map;
    char **paths;
    size_t n_paths, cap_paths;
    struct place **places;
    size_t n_places, cap_places;
};

struct gs_symbols *gs_symbols_new(uint32_t pid)
{
    (void)pid;
    return gs_xcalloc(1, sizeof(struct gs_symbols));
}

void gs_symbols_add_module(struct gs_symbols *s, uint32_t module, uint64_t start, uint64_t end,
                           uint64_t bias, const uint8_t *build_id, size_t build_id_len,
                           const char *path)
{
    (void)start, (void)end, (void)bias, (void)build_id, (void)build_id_len;
    if (gs_idmap_add(&s->modules, module) == s->n_paths)
        GS_PUSH(s->paths, s->n_paths, s->cap_paths, gs_xstrndup(path, strlen(path)));
}

static struct place *place_at(struct gs_symbols *s, uint32_t module, uint64_t offset)
{
    uint32_t at = gs_idmap_add(&s->offsets, offset);
    at = gs_idmap_add(&s->place_map, gs_pack32(module, at));
    if (at == s->n_places)
        GS_PUSH(s->places, s->n_places, s->cap_places, gs_xcalloc(1, sizeof(struct place)));
    return s->places[at];
}

void gs_symbols_add_known(struct gs_symbols *s, uint32_t module, uint64_t offset, uint32_t depth,
                          const char *function, const char *file, int32_t line)
{
    struct place *p = place_at(s, module, offset);
    if (depth != p->n || depth >= MAX_CHAIN)
        return; /* the first one of a depth counts; a chain has no holes */
    struct gs_symbol symbol = {
        .function = gs_xstrndup(function, strlen(function)),
        .file = gs_xstrndup(file, strlen(file)),
        .line = line,
    };
    GS_PUSH(p->chain, p->n, p->cap, symbol);
}

static const char *base_name(const struct gs_symbols *s, uint32_t module)
{
    uint32_t at = gs_idmap_find(&s->modules, module);
    const char *path = at == GS_IDMAP_NONE ? "" : s->paths[at];
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const struct gs_symbol *gs_symbols_at(struct gs_symbols *s, uint32_t module, uint64_t offset,
                                      size_t *n)
{
    struct place *p = place_at(s, module, offset);
    *n = p->n ? p->n : 1;
    if (p->n)
        return p->chain;
    if (!p->raw) {
        const char *base = base_name(s, module);
        p->raw = *base ? gs_xasprintf("0x%" PRIx64 " (%s)", offset, base)
                       : gs_xasprintf("0x%" PRIx64, offset);
        p->unknown = (struct gs_symbol){.function = p->raw, .file = ""};
    }
    return &p->unknown;
}

void gs_symbols_free(struct gs_symbols *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_places; i++) {
        for (size_t k = 0; k < s->places[i]->n; k++) {
            free((char *)s->places[i]->chain[k].function);
            free((char *)s->places[i]->chain[k].file);
        }
        free(s->places[i]->chain);
        free(s->places[i]->raw);
        free(s->places[i]);
    }
    for (size_t i = 0; i < s->n_paths; i++)
        free(s->paths[i]);
    free(s->paths);
    free(s->places);
    gs_idmap_free(&s->modules);
    gs_idmap_free(&s->offsets);
    gs_idmap_free(&s->place_map);
    free(s);
}
