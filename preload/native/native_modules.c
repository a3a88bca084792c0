/* SPDX-License-Identifier: MIT */
#include "preload/native/native_modules.h"

#include <link.h>
#include <string.h>

#include "preload/agent_clock.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/trace_writer.h"

#define MAX_MODULES    1024u
#define PATH_BYTES     512u
#define BUILD_ID_BYTES 20u /* of SHA-1; longer ones are cut */

struct known {
    struct gs_native_module module;
    uint8_t build_id[BUILD_ID_BYTES];
    uint32_t build_id_bytes;
    bool seen, told;
    char path[PATH_BYTES];
};

static struct {
    struct known *known; /* [MAX_MODULES] */
    struct gs_native_module *tables[2];
    uint32_t n_in[2];
    uint32_t n_known, next_id;
    uint32_t version; /* its lowest bit is the table that holds; 0: none yet */
    uint64_t adds, subs;
    char exe[PATH_BYTES];
} m;

bool gs_native_modules_init(void)
{
    m.version = m.n_known = 0;
    m.next_id = 1;
    m.adds = m.subs = 0;
    m.known = gs_map(MAX_MODULES * sizeof(*m.known));
    for (int i = 0; i < 2; i++)
        m.tables[i] = gs_map(MAX_MODULES * sizeof(**m.tables));
    long n = gs_sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", m.exe, sizeof(m.exe) - 1);
    m.exe[n > 0 ? n : 0] = 0;
    return m.known && m.tables[0] && m.tables[1];
}

/* ---- readers ---- */

struct gs_native_table gs_native_table(void)
{
    uint32_t version = __atomic_load_n(&m.version, __ATOMIC_ACQUIRE);
    return (struct gs_native_table){m.tables[version & 1], version ? m.n_in[version & 1] : 0,
                                    version};
}

bool gs_native_table_holds(const struct gs_native_table *t)
{
    return __atomic_load_n(&m.version, __ATOMIC_ACQUIRE) - t->version < 2;
}

const struct gs_native_module *gs_native_module_at(const struct gs_native_table *t, uint64_t pc)
{
    uint32_t lo = 0, hi = t->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (t->modules[mid].start <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && pc < t->modules[lo - 1].end ? &t->modules[lo - 1] : NULL;
}

/* ---- looking, with the loader's lock ---- */

static void read_build_id(struct known *k, const uint8_t *note, size_t size)
{
    while (size >= 12) {
        uint32_t name_bytes, bytes, type;
        memcpy(&name_bytes, note, 4);
        memcpy(&bytes, note + 4, 4);
        memcpy(&type, note + 8, 4);
        size_t name_room = ((size_t)name_bytes + 3) & ~(size_t)3;
        size_t room = ((size_t)bytes + 3) & ~(size_t)3;
        if (name_room > size - 12 || room > size - 12 - name_room)
            return;
        if (type == NT_GNU_BUILD_ID && name_bytes == 4 && memcmp(note + 12, "GNU", 4) == 0) {
            k->build_id_bytes = bytes < BUILD_ID_BYTES ? bytes : BUILD_ID_BYTES;
            memcpy(k->build_id, note + 12 + name_room, k->build_id_bytes);
            return;
        }
        note += 12 + name_room + room;
        size -= 12 + name_room + room;
    }
}

static void read_segments(struct known *k, const struct dl_phdr_info *info)
{
    struct gs_native_module *o = &k->module;
    o->bias = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            o->start = o->start && o->start < at ? o->start : at;
            o->end = o->end > at + p->p_memsz ? o->end : at + p->p_memsz;
        } else if (p->p_type == PT_GNU_EH_FRAME) {
            o->eh_frame_hdr = at;
            o->eh_frame_hdr_bytes = p->p_memsz;
        } else if (p->p_type == PT_NOTE && !k->build_id_bytes) {
            read_build_id(k, (const uint8_t *)at, p->p_memsz); /* NOLINT */
        }
    }
}

static bool is_same(const struct known *a, const struct known *b)
{
    return a->module.start == b->module.start && a->module.end == b->module.end &&
           a->module.bias == b->module.bias && a->build_id_bytes == b->build_id_bytes &&
           memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *unused)
{
    static struct known found;
    const char *path = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : m.exe;
    (void)size;
    (void)unused;
    memset(&found, 0, sizeof(found));
    read_segments(&found, info);
    if (!found.module.start || strlen(path) >= PATH_BYTES)
        return 0;
    for (uint32_t i = 0; i < m.n_known; i++)
        if (is_same(&m.known[i], &found)) {
            m.known[i].seen = true;
            return 0;
        }
    if (m.n_known == MAX_MODULES)
        return 0;
    found.module.id = m.next_id++;
    found.seen = true;
    memcpy(found.path, path, strlen(path) + 1);
    m.known[m.n_known++] = found;
    return 0;
}

/* Only the counts of all that were ever mapped, and unmapped. */
static int look_whether(struct dl_phdr_info *info, size_t size, void *changed)
{
    (void)size;
    *(bool *)changed = info->dlpi_adds != m.adds || info->dlpi_subs != m.subs;
    m.adds = info->dlpi_adds;
    m.subs = info->dlpi_subs;
    return 1;
}

/* ---- telling ---- */

static void put_module(struct known *k, uint64_t now)
{
    struct gs_record_writer *w = gs_writer_records(PATH_BYTES + 128);
    gs_record_begin(w, GS_RECORD_NATIVE_MODULE);
    gs_record_put_u(w, k->module.id);
    gs_record_put_u(w, now);
    gs_record_put_u(w, k->module.start);
    gs_record_put_u(w, k->module.end);
    gs_record_put_u(w, k->module.bias);
    gs_record_put_bytes(w, k->build_id, k->build_id_bytes);
    gs_record_put_bytes(w, k->path, strlen(k->path));
    gs_writer_record_done();
    k->told = true;
}

static void put_end(const struct known *k, uint64_t now)
{
    struct gs_record_writer *w = gs_writer_records(64);
    gs_record_begin(w, GS_RECORD_NATIVE_MODULE_END);
    gs_record_put_u(w, k->module.id);
    gs_record_put_u(w, now);
    gs_writer_record_done();
}

static void tell_news(void)
{
    uint64_t now = gs_now();
    for (uint32_t i = 0; i < m.n_known; i++)
        if (!m.known[i].told)
            put_module(&m.known[i], now);
}

static void drop_those_gone(void)
{
    uint64_t now = gs_now();
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m.n_known; i++) {
        struct known *k = &m.known[i];
        if (k->seen)
            m.known[kept++] = *k;
        else if (k->told)
            put_end(k, now);
    }
    m.n_known = kept;
}

static void publish(void)
{
    uint32_t next = m.version + 1, n = 0;
    struct gs_native_module *table = m.tables[next & 1];
    for (uint32_t i = 0; i < m.n_known; i++) {
        uint32_t at = n++;
        for (; at > 0 && table[at - 1].start > m.known[i].module.start; at--)
            table[at] = table[at - 1];
        table[at] = m.known[i].module;
    }
    m.n_in[next & 1] = n;
    __atomic_store_n(&m.version, next, __ATOMIC_RELEASE);
}

void gs_native_modules_find(void)
{
    bool changed = false;
    dl_iterate_phdr(look_whether, &changed);
    if (!changed)
        return;
    for (uint32_t i = 0; i < m.n_known; i++)
        m.known[i].seen = false;
    dl_iterate_phdr(look_at, NULL);
    drop_those_gone();
    publish();
}

void gs_native_modules_look(void)
{
    gs_native_modules_find();
    tell_news();
}

void gs_native_modules_again(void)
{
    m.adds = 0; /* in a forked child the last look may have been cut short */
    for (uint32_t i = 0; i < m.n_known; i++)
        m.known[i].told = false;
}
