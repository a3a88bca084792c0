/* SPDX-License-Identifier: MIT */
#include "preload/memory_maps.h"

#include <string.h>

#include "preload/own_maps.h"
#include "preload/raw_sys.h"

#define GLIBC_HEAP_MAX                                                                             \
    (UINT64_C(64) << 20) /* HEAP_MAX_SIZE: heaps of threads are aligned to it                      \
                          */

struct mapping {
    uintptr_t lo, hi;
    enum gs_map_kind kind;
    bool is_file, has_no_rights;
    uint64_t rss, anonymous;
};

struct parse {
    struct gs_maps *out;
    uint64_t (*arenas_rss)(uintptr_t, uintptr_t);
    struct mapping at;      /* whose lines are being read */
    uintptr_t last_file_hi; /* end of the file mapping before it */
};

/* ---- words ---- */

static bool parse_hex(const char **p, uintptr_t *out)
{
    const char *from = *p;
    for (*out = 0;; (*p)++) {
        char c = **p;
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return *p != from;
    }
}

static const char *skip_word(const char *p)
{
    while (*p == ' ')
        p++;
    while (*p && *p != ' ')
        p++;
    return p;
}

static bool begins_with(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

static uint64_t kib_of(const char *p)
{
    uint64_t v = 0;
    while (*p == ' ')
        p++;
    while (*p >= '0' && *p <= '9')
        v = v * 10 + (uint64_t)(*p++ - '0');
    return v << 10;
}

/* ---- mappings ---- */

static bool may_be_thread_heap(const struct mapping *m)
{
    return m->lo % GLIBC_HEAP_MAX == 0 && m->hi - m->lo <= GLIBC_HEAP_MAX;
}

/* What such a heap does not use yet is reserved behind it, without rights. Kernels align other
 * large mappings, too (to 2 MiB): one in 32 of these begins where a heap could. */
static bool is_thread_heap(const struct mapping *m, const struct mapping *next)
{
    uintptr_t end = m->lo + GLIBC_HEAP_MAX;
    return m->hi == end || (next->lo == m->hi && next->hi >= end && next->has_no_rights);
}

static enum gs_map_kind kind_of(const struct parse *p, const struct mapping *m, const char *name)
{
    if (m->is_file || begins_with(name, "[v")) /* vdso, vvar, vsyscall: the kernel's */
        return GS_MAP_FILE;
    if (!strcmp(name, "[heap]"))
        return GS_MAP_HEAP;
    if (!strcmp(name, "[stack]"))
        return GS_MAP_STACK;
    if (m->lo == p->last_file_hi)
        return GS_MAP_FILE_PRIVATE;
    return may_be_thread_heap(m) ? GS_MAP_THREAD_HEAPS : GS_MAP_OTHER;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Moves what of a mapping is `kind` to where it belongs. */
static uint64_t set_apart(struct parse *p, enum gs_map_kind kind, uint64_t bytes, uint64_t left)
{
    bytes = at_most(bytes, left);
    p->out->rss_of[kind] += bytes;
    return left - bytes;
}

/* Of a file's mapping, pages that were written to are the process's own copies. In others the
 * kernel joins neighbours: some of it may be arenas, and some ours. */
static void close_mapping(struct parse *p)
{
    const struct mapping *m = &p->at;
    uint64_t left = m->rss;
    if (m->is_file) {
        left = set_apart(p, GS_MAP_FILE_PRIVATE, m->anonymous, left);
        p->last_file_hi = m->hi;
    } else if (left) {
        left = set_apart(p, GS_MAP_ARENAS, p->arenas_rss(m->lo, m->hi), left);
        left = set_apart(p, GS_MAP_AGENT, gs_own_maps_rss(m->lo, m->hi), left);
    }
    p->out->rss_of[m->kind] += left;
}

/* "7f00-7f10 rw-p 00000000 00:00 0      [heap]"; false when the line is not the first of one. */
static bool open_mapping(struct parse *p, const char *line)
{
    struct mapping m = {0};
    const char *at = line;
    if (!parse_hex(&at, &m.lo) || *at++ != '-' || !parse_hex(&at, &m.hi) || *at != ' ')
        return false;
    m.has_no_rights = begins_with(at, " ---");
    for (int i = 0; i < 4; i++) /* rights, offset, device, inode */
        at = skip_word(at);
    while (*at == ' ')
        at++;
    if (p->at.kind == GS_MAP_THREAD_HEAPS && !is_thread_heap(&p->at, &m))
        p->at.kind = GS_MAP_OTHER;
    close_mapping(p);
    m.is_file = *at == '/';
    m.kind = kind_of(p, &m, at);
    if (m.kind == GS_MAP_HEAP) {
        p->out->heap_lo = m.lo;
        p->out->heap_hi = m.hi;
    }
    p->at = m;
    return true;
}

static void take_field(struct parse *p, const char *line)
{
    struct gs_maps *out = p->out;
    const char *colon = strchr(line, ':');
    if (!colon)
        return;
    size_t len = (size_t)(colon - line);
    uint64_t bytes = kib_of(colon + 1);
#define IS(name) (len == sizeof(name) - 1 && !memcmp(line, name, len))
    if (IS("Rss")) {
        p->at.rss = bytes;
        out->rss_bytes += bytes;
    } else if (IS("Pss")) {
        out->pss_bytes += bytes;
    } else if (IS("Anonymous")) {
        p->at.anonymous = bytes;
        out->anonymous_bytes += bytes;
    } else if (IS("Private_Clean") || IS("Private_Dirty")) {
        out->private_bytes += bytes;
    } else if (IS("Swap")) {
        out->swap_bytes += bytes;
    }
#undef IS
}

static void take_line(struct parse *p, const char *line)
{
    if (!open_mapping(p, line))
        take_field(p, line);
}

/* ---- the file ---- */

/* Lines of `n` bytes at buf, the last of which may be incomplete: how many bytes are left over. */
static size_t take_lines(struct parse *p, char *buf, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (buf[i] != '\n')
            continue;
        buf[i] = 0;
        take_line(p, buf + from);
        from = i + 1;
    }
    memmove(buf, buf + from, n - from);
    return n - from;
}

bool gs_maps_read(struct gs_maps *out, uint64_t (*arenas_rss)(uintptr_t lo, uintptr_t hi))
{
    static char buf[16384];
    struct parse p = {.out = out, .arenas_rss = arenas_rss};
    size_t len = 0;
    long fd = gs_open("/proc/self/smaps", O_RDONLY, 0), n;
    *out = (struct gs_maps){0};
    if (fd < 0)
        return false;
    while ((n = gs_sys3(SYS_read, fd, buf + len, sizeof(buf) - len)) > 0)
        len = take_lines(&p, buf, len + (size_t)n);
    close_mapping(&p);
    gs_close(fd);
    return n == 0 && out->rss_bytes;
}
