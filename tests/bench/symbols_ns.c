/* SPDX-License-Identifier: MIT
 * gs_symbols_ns FILE PLACES: names so many distinct places of a file's functions, evenly spread, in
 * order as gilscope symbolize asks for them. Prints the time and the most memory; with -a the
 * addresses in place of that, for addr2line.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "analyzer/symbols/elf_names.h"
#include "analyzer/symbols/symbols.h"

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Without those that say no size: they go on to their section's end. */
static void drop_overlapping(struct gs_elf_names *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct gs_elf_function *f = &e->functions[i];
        if (i + 1 == e->n || f->start + f->size <= e->functions[i + 1].start)
            e->functions[kept++] = *f;
        else
            free(f->name);
    }
    e->n = kept;
}

static uint64_t code_bytes(const struct gs_elf_names *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->n; i++)
        sum += e->functions[i].size;
    return sum;
}

/* All bytes of all functions laid end to end: every step-th of them. */
static size_t spread(const struct gs_elf_names *e, size_t places, uint64_t *out)
{
    uint64_t bytes = code_bytes(e), step = places ? bytes / places : 0, at = 0, next = 0;
    size_t n = 0;
    for (size_t i = 0; step && i < e->n && n < places; i++) {
        for (; next < at + e->functions[i].size && n < places; next += step)
            out[n++] = e->functions[i].start + (next - at);
        at += e->functions[i].size;
    }
    return n;
}

static void name_all(const char *path, const uint64_t *at, size_t places)
{
    struct rusage usage;
    size_t n, named = 0, frames = 0;
    double begin = now_s();
    struct gs_symbols *s = gs_symbols_new(0, 0);
    gs_symbols_add_module(s, 1, NULL, 0, path);
    for (size_t i = 0; i < places; i++) {
        gs_symbols_at(s, 1, at[i], &n);
        named += n > 0;
        frames += n;
    }
    double taken = now_s() - begin;
    getrusage(RUSAGE_SELF, &usage);
    printf("%zu places, %zu named, %zu functions: %.2f s, %.0f ns each, at most %.0f MB\n", places,
           named, frames, taken, taken * 1e9 / (double)places, (double)usage.ru_maxrss / 1024);
    gs_symbols_free(s);
}

int main(int argc, char **argv)
{
    bool only_addresses = argc > 1 && strcmp(argv[1], "-a") == 0;
    struct gs_elf_names e;
    if (argc - only_addresses != 3)
        return 2;
    const char *path = argv[1 + only_addresses];
    size_t places = strtoul(argv[2 + only_addresses], NULL, 10);
    uint64_t *at = calloc(places + 1, sizeof(*at));
    if (!at)
        return 1;
    gs_elf_names_read(&e, path, NULL, 0);
    drop_overlapping(&e);
    places = spread(&e, places, at);
    gs_elf_names_free(&e);
    if (!only_addresses)
        name_all(path, at, places);
    for (size_t i = 0; only_addresses && i < places; i++)
        printf("0x%" PRIx64 "\n", at[i]);
    free(at);
    return 0;
}
