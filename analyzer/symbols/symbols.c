/* SPDX-License-Identifier: MIT
 * What the capture itself says of its places: SYMBOL records; else the debugging information of its
 * module, else its symbol table, else the address in it.
 */
#include "analyzer/symbols/symbols.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"
#include "analyzer/symbols/demangle.h"
#include "analyzer/symbols/dwarf_places.h"
#include "analyzer/symbols/elf_names.h"
#include "analyzer/xalloc.h"

#define MAX_CHAIN 32u
#define MAX_FILES 1024u /* that are read; a writer knows no more modules */

struct place {
    struct gs_symbol *chain;
    size_t n, cap;
    char *name; /* of the symbol table, or "0x1234 (libx.so)" */
    struct gs_symbol unknown;
};
struct module {
    char *path;
    uint8_t *build_id;
    size_t build_id_len;
    bool is_read; /* what follows: when the first place of it is asked for */
    struct gs_elf_names names;
    struct gs_dwarf *dwarf; /* NULL: it has none, or is of another build */
};
struct gs_symbols {
    struct gs_idmap module_map, offsets, place_map;
    struct module *modules;
    size_t n_modules, cap_modules;
    struct place **places;
    size_t n_places, cap_places;
    size_t n_files;
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
    (void)start, (void)end, (void)bias;
    if (gs_idmap_add(&s->module_map, module) != s->n_modules)
        return;
    struct module m = {.path = gs_xstrndup(path, strlen(path)), .build_id_len = build_id_len};
    m.build_id = gs_xmalloc(build_id_len, 1);
    if (build_id_len)
        memcpy(m.build_id, build_id, build_id_len);
    GS_PUSH(s->modules, s->n_modules, s->cap_modules, m);
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

/* A file without any function is of another build, or none: elfutils is to read what is sound. */
static void read_module(struct gs_symbols *s, struct module *m)
{
    if (m->is_read || s->n_files == MAX_FILES)
        return;
    s->n_files++;
    m->is_read = true;
    gs_elf_names_read(&m->names, m->path, m->build_id, m->build_id_len);
    if (m->names.n)
        m->dwarf = gs_dwarf_open(m->path);
}

static void add_dwarf(struct place *p, struct module *m, uint64_t offset)
{
    struct gs_dwarf_frame frames[MAX_CHAIN];
    size_t n = m->dwarf ? gs_dwarf_at(m->dwarf, offset, frames, MAX_CHAIN) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *file = frames[i].file ? frames[i].file : "";
        struct gs_symbol symbol = {.function = gs_demangle(frames[i].function),
                                   .file = gs_xstrndup(file, strlen(file)),
                                   .line = frames[i].line > 0 ? frames[i].line : 0};
        GS_PUSH(p->chain, p->n, p->cap, symbol);
    }
}

/* Of a place that neither a record nor debugging information knows. */
static char *name_of(const struct module *m, uint64_t offset)
{
    const char *function = m ? gs_elf_names_at(&m->names, offset) : NULL;
    if (!function && m && m->dwarf)
        function = gs_dwarf_name(m->dwarf, offset);
    if (function)
        return gs_demangle(function);
    const char *slash = m ? strrchr(m->path, '/') : NULL, *base = slash ? slash + 1 : "";
    return *base ? gs_xasprintf("0x%" PRIx64 " (%s)", offset, base)
                 : gs_xasprintf("0x%" PRIx64, offset);
}

const struct gs_symbol *gs_symbols_at(struct gs_symbols *s, uint32_t module, uint64_t offset,
                                      size_t *n)
{
    struct place *p = place_at(s, module, offset);
    uint32_t at = gs_idmap_find(&s->module_map, module);
    struct module *m = at == GS_IDMAP_NONE ? NULL : &s->modules[at];
    if (!p->n && !p->name && m) {
        read_module(s, m);
        add_dwarf(p, m, offset);
    }
    *n = p->n ? p->n : 1;
    if (p->n)
        return p->chain;
    if (!p->name) {
        p->name = name_of(m, offset);
        p->unknown = (struct gs_symbol){.function = p->name, .file = ""};
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
        free(s->places[i]->name);
        free(s->places[i]);
    }
    for (size_t i = 0; i < s->n_modules; i++) {
        free(s->modules[i].path);
        free(s->modules[i].build_id);
        gs_elf_names_free(&s->modules[i].names);
        if (s->modules[i].dwarf)
            gs_dwarf_close(s->modules[i].dwarf);
    }
    free(s->modules);
    free(s->places);
    gs_idmap_free(&s->module_map);
    gs_idmap_free(&s->offsets);
    gs_idmap_free(&s->place_map);
    free(s);
}
