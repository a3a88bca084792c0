/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/xalloc.h"

#define MAX_BYTES (256 << 20)

/* A name in /tmp is anybody's to take: what is neither ours nor the system's is believed only by
 * root, who looks into the jobs of others. */
static bool is_trusted(const struct stat *st, int64_t began_unix_ns)
{
    int64_t written_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
    return S_ISREG(st->st_mode) && st->st_size <= MAX_BYTES && written_ns >= began_unix_ns &&
           (st->st_uid == geteuid() || st->st_uid == 0 || geteuid() == 0);
}

/* "START SIZE NAME", hexadecimal. */
static void add_line(struct gs_elf_names *out, char *line)
{
    char *end;
    errno = 0;
    uint64_t start = strtoull(line, &end, 16);
    if (errno || end == line || *end != ' ')
        return;
    line = end + 1;
    uint64_t size = strtoull(line, &end, 16);
    if (errno || end == line || *end != ' ')
        return;
    line = end + 1;
    line[strcspn(line, "\n")] = '\0';
    gs_elf_names_add(out, start, size, line);
}

static int by_start(const void *pa, const void *pb)
{
    const struct gs_elf_function *const *a = pa, *const *b = pb;
    if ((*a)->start != (*b)->start)
        return (*a)->start < (*b)->start ? -1 : 1;
    return *a > *b ? -1 : *a < *b; /* as they stand in the file, the last one first */
}

static void sort_last_wins(struct gs_elf_names *e)
{
    struct gs_elf_function *sorted = gs_xmalloc(e->n, sizeof(*sorted));
    const struct gs_elf_function **order = gs_xmalloc(e->n, sizeof(*order));
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++)
        order[i] = &e->functions[i];
    qsort(order, e->n, sizeof(*order), by_start);
    for (size_t i = 0; i < e->n; i++) {
        if (kept && sorted[kept - 1].start == order[i]->start)
            free(order[i]->name);
        else
            sorted[kept++] = *order[i];
    }
    free(order);
    free(e->functions);
    e->functions = sorted;
    e->cap = e->n;
    e->n = kept;
}

void gs_perf_map_read(struct gs_elf_names *out, uint32_t pid, int64_t began_unix_ns)
{
    char path[40], *line = NULL;
    size_t cap = 0;
    struct stat st;
    memset(out, 0, sizeof(*out));
    snprintf(path, sizeof(path), "/tmp/perf-%u.map", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    FILE *f =
        fd >= 0 && fstat(fd, &st) == 0 && is_trusted(&st, began_unix_ns) ? fdopen(fd, "r") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while (getline(&line, &cap, f) > 0)
        add_line(out, line);
    free(line);
    fclose(f);
    if (out->n)
        sort_last_wins(out);
}
