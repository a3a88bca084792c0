/* SPDX-License-Identifier: MIT
 * What the capture itself says of its places: SYMBOL records; else the debugging information of its
 * module, else its symbol table or the process's perf map, else the address in it.
 */
#include "analyzer/symbols/symbols.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/stacks.h"
#include "analyzer/symbols/demangle.h"
#include "analyzer/symbols/dwarf_places.h"
#include "analyzer/symbols/elf_names.h"
#include "analyzer/symbols/perf_map.h"
#include "analyzer/xalloc.h"

#define MAX_CHAIN 32u
#define MAX_FILES 1024u /* that are read; a writer knows no more modules */

struct place {
    uint32_t first, n, cap; /* chains[] */
    bool is_looked_up;
};
struct link {
    uint32_t function, file; /* strings */
    int32_t line;
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
    struct place *places;
    size_t n_places, cap_places;
    struct link *chains;
    size_t n_chains, cap_chains;
    struct gs_strings strings; /* the same functions and files come again and again */
    size_t n_files;
    struct module in_no_file;
    uint32_t pid;
    int64_t began_unix_ns;
    struct gs_symbol answer[MAX_CHAIN];
    char *unknown;
};

struct gs_symbols *gs_symbols_new(uint32_t pid, int64_t began_unix_ns)
{
    struct gs_symbols *s = gs_xcalloc(1, sizeof(*s));
    s->pid = pid;
    s->began_unix_ns = began_unix_ns;
    return s;
}

void gs_symbols_add_module(struct gs_symbols *s, uint32_t module, const uint8_t *build_id,
                           size_t build_id_len, const char *path)
{
    if (module == 0 || gs_idmap_add(&s->module_map, module) != s->n_modules)
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
    if (at == s->n_places) {
        struct place none = {0};
        GS_PUSH(s->places, s->n_places, s->cap_places, none);
    }
    return &s->places[at];
}

/* ---- chains: each lies in one piece; one that grows and is not the last moves to the end ---- */

static void make_room(struct gs_symbols *s, struct place *p)
{
    if (p->n < p->cap)
        return;
    uint32_t cap = p->n ? 2 * p->n : 1;
    GS_RESERVE(s->chains, s->n_chains + cap, s->cap_chains);
    if (p->n)
        memcpy(&s->chains[s->n_chains], &s->chains[p->first], p->n * sizeof(*s->chains));
    p->first = (uint32_t)s->n_chains;
    p->cap = cap;
    s->n_chains += cap;
}

static void push(struct gs_symbols *s, struct place *p, const char *function, const char *file,
                 int32_t line)
{
    if (s->n_chains > UINT32_MAX - 2 * MAX_CHAIN)
        return;
    make_room(s, p);
    s->chains[p->first + p->n++] =
        (struct link){gs_strings_add(&s->strings, function, strlen(function)),
                      gs_strings_add(&s->strings, file, strlen(file)), line};
}

void gs_symbols_add_known(struct gs_symbols *s, uint32_t module, uint64_t offset, uint32_t depth,
                          const char *function, const char *file, int32_t line)
{
    struct place *p = place_at(s, module, offset);
    if (depth == p->n && depth < MAX_CHAIN) /* the first one counts; a chain has no holes */
        push(s, p, function, file, line);
}

/* ---- files ---- */

/* A file without any function is of another build, or none: elfutils is to read what is sound. */
static void read_module(struct gs_symbols *s, struct module *m)
{
    if (m->is_read || s->n_files == MAX_FILES)
        return;
    s->n_files++;
    m->is_read = true;
    if (m == &s->in_no_file) {
        gs_perf_map_read(&m->names, s->pid, s->began_unix_ns);
        return;
    }
    gs_elf_names_read(&m->names, m->path, m->build_id, m->build_id_len);
    if (m->names.n)
        m->dwarf = gs_dwarf_open(m->path);
    if (m->dwarf && !m->names.has_symtab)
        gs_dwarf_add_names(m->dwarf, &m->names);
}

static struct module *module_of(struct gs_symbols *s, uint32_t module)
{
    uint32_t at = gs_idmap_find(&s->module_map, module);
    if (module == 0)
        return &s->in_no_file;
    return at == GS_IDMAP_NONE ? NULL : &s->modules[at];
}

static void push_mangled(struct gs_symbols *s, struct place *p, const struct gs_dwarf_frame *f)
{
    char *function = gs_demangle(f->function);
    push(s, p, function, f->file ? f->file : "", f->line > 0 ? f->line : 0);
    free(function);
}

static void look_up(struct gs_symbols *s, struct place *p, struct module *m, uint64_t offset)
{
    struct gs_dwarf_frame frames[MAX_CHAIN];
    read_module(s, m);
    size_t n = m->dwarf ? gs_dwarf_at(m->dwarf, offset, frames, MAX_CHAIN) : 0;
    for (size_t i = 0; i < n; i++)
        push_mangled(s, p, &frames[i]);
    if (n)
        return;
    struct gs_dwarf_frame f = {.function = gs_elf_names_at(&m->names, offset)};
    if (f.function)
        push_mangled(s, p, &f);
}

/* ---- answers ---- */

static const struct gs_symbol *unknown(struct gs_symbols *s, const struct module *m,
                                       uint64_t offset)
{
    const char *slash = m && m->path ? strrchr(m->path, '/') : NULL, *base = slash ? slash + 1 : "";
    free(s->unknown);
    s->unknown = *base ? gs_xasprintf("0x%" PRIx64 " (%s)", offset, base)
                       : gs_xasprintf("0x%" PRIx64, offset);
    s->answer[0] = (struct gs_symbol){.function = s->unknown, .file = ""};
    return s->answer;
}

const struct gs_symbol *gs_symbols_at(struct gs_symbols *s, uint32_t module, uint64_t offset,
                                      size_t *n)
{
    struct place *p = place_at(s, module, offset);
    struct module *m = module_of(s, module);
    if (!p->n && !p->is_looked_up && m)
        look_up(s, p, m, offset);
    p->is_looked_up = true;
    *n = p->n;
    if (!p->n)
        return unknown(s, m, offset);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct link *l = &s->chains[p->first + i];
        s->answer[i] =
            (struct gs_symbol){s->strings.text[l->function], s->strings.text[l->file], l->line};
    }
    return s->answer;
}

static void free_module(struct module *m)
{
    free(m->path);
    free(m->build_id);
    gs_elf_names_free(&m->names);
    if (m->dwarf)
        gs_dwarf_close(m->dwarf);
}

void gs_symbols_free(struct gs_symbols *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_modules; i++)
        free_module(&s->modules[i]);
    free_module(&s->in_no_file);
    free(s->modules);
    free(s->places);
    free(s->chains);
    free(s->unknown);
    gs_strings_free(&s->strings);
    gs_idmap_free(&s->module_map);
    gs_idmap_free(&s->offsets);
    gs_idmap_free(&s->place_map);
    free(s);
}
