/* SPDX-License-Identifier: MIT */
#include "preload/modules.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/elf_symbols.h"
#include "preload/trace_writer.h"

#define MAX_OBJECTS 4096u /* mapped files; a job has hundreds */
#define BATCH       8u
#define PATH_BYTES  1024u
#define NAME_BYTES  256u

static struct {
    uint64_t seen[MAX_OBJECTS]; /* hashes, open addressing */
    uint32_t n_seen;
    char paths[BATCH][PATH_BYTES];
    uint32_t n_paths;
} m;

void gs_modules_forget(void)
{
    memset(m.seen, 0, sizeof(m.seen));
    m.n_seen = 0;
}

static uint64_t hash_of(const struct gs_elf_object *o)
{
    uint64_t h = o->base ^ 0x9e3779b97f4a7c15u;
    for (const char *p = o->name; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    return h | 1;
}

/* Once for each; false also where the table is full: then nothing new is told. */
static bool is_new(const struct gs_elf_object *o)
{
    uint64_t hash = hash_of(o);
    if (m.n_seen >= MAX_OBJECTS / 4 * 3)
        return false;
    for (uint32_t i = (uint32_t)(hash >> 20);; i++) {
        uint64_t *at = &m.seen[i % MAX_OBJECTS];
        if (*at == hash)
            return false;
        if (*at)
            continue;
        *at = hash;
        m.n_seen++;
        return true;
    }
}

/* An import of a.b.name looks for the function PyInit_name in a file name.TAG.so. To look through
 * all symbols of all libraries would make pages resident that nobody else needs. */
static bool is_module(const struct gs_elf_object *o)
{
    char symbol[NAME_BYTES] = "PyInit_";
    const char *slash = strrchr(o->name, '/'), *name = slash ? slash + 1 : o->name;
    size_t len = strcspn(name, "."), at = strlen(symbol);
    if (!len || at + len >= sizeof(symbol))
        return false;
    memcpy(symbol + at, name, len);
    symbol[at + len] = 0;
    return gs_elf_symbol(o, symbol) != 0;
}

/* With the loader's lock: paths are copied, and written when it is free again. */
static bool look_at(const struct gs_elf_object *o, void *unused)
{
    (void)unused;
    size_t len = strlen(o->name);
    if (!len || len >= PATH_BYTES || !is_new(o) || !is_module(o))
        return true;
    memcpy(m.paths[m.n_paths++], o->name, len + 1);
    return m.n_paths < BATCH;
}

void gs_modules_look(void)
{
    do {
        m.n_paths = 0;
        gs_elf_each(look_at, NULL);
        for (uint32_t i = 0; i < m.n_paths; i++) {
            struct gs_record_writer *w = gs_writer_records(PATH_BYTES + 64);
            gs_record_begin(w, GS_RECORD_MODULE);
            gs_record_put_u(w, gs_now());
            gs_record_put_bytes(w, m.paths[i], strlen(m.paths[i]));
            gs_writer_record_done();
        }
    } while (m.n_paths == BATCH);
}
