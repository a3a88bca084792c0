/* SPDX-License-Identifier: MIT
 * gs_symbols_capture FILE PLACES CAPTURE: a capture whose native stacks have so many distinct
 * places of a file's functions, evenly spread. With -a in place of CAPTURE it prints the addresses.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/symbols/elf_names.h"
#include "preload/trace/trace_codec.h"

enum { PER_STACK = 128, STACKS_PER_CHUNK = 500, ROOM = 1 << 20 };

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

static void put_module(struct gs_record_writer *w, const char *path)
{
    gs_record_begin(w, GS_RECORD_NATIVE_MODULE);
    for (unsigned i = 0; i < 5; i++) /* module, t, start, end, bias */
        gs_record_put_u(w, i == 0);
    gs_record_put_bytes(w, "", 0);
    gs_record_put_bytes(w, path, strlen(path));
    gs_record_end(w);
}

static void put_stack(struct gs_record_writer *w, uint64_t id, const uint64_t *at, size_t n)
{
    gs_record_begin(w, GS_RECORD_NATIVE_STACK);
    gs_record_put_u(w, id);
    for (unsigned i = 0; i < 3; i++) /* python_stack, truncated, no runs */
        gs_record_put_u(w, 0);
    gs_record_put_u(w, n);
    for (size_t i = 0; i < n; i++) {
        gs_record_put_u(w, 1);
        gs_record_put_u(w, at[i]);
    }
    gs_record_end(w);
}

static void write_capture(const char *elf, const uint64_t *at, size_t places, FILE *out)
{
    static uint8_t chunk[GS_CHUNK_HDR_LEN + ROOM + GS_CHUNK_TAIL_LEN];
    struct gs_chunk_meta meta = {.process_key = 1, .gil = GS_NO_GIL};
    struct gs_record_writer w;
    struct gs_file_hdr hdr;
    size_t len, done = 0;
    gs_file_hdr_encode(&hdr, GS_FORMAT_MINOR, 1, 0, 0);
    fwrite(&hdr, 1, sizeof(hdr), out);
    for (; done < places; meta.chunk_no++) {
        uint32_t n = 0;
        gs_record_writer_init(&w, chunk + GS_CHUNK_HDR_LEN, ROOM);
        if (!done)
            put_module(&w, elf);
        for (; done < places && n < STACKS_PER_CHUNK; n++) {
            size_t some = places - done < PER_STACK ? places - done : PER_STACK;
            put_stack(&w, done + 1, at + done, some);
            done += some;
        }
        if (gs_chunk_seal_records(&meta, n + !meta.chunk_no, chunk, sizeof(chunk), w.len, &len) ==
            GS_OK)
            fwrite(chunk, 1, len, out);
    }
}

int main(int argc, char **argv)
{
    struct gs_elf_names e;
    if (argc != 4)
        return 2;
    size_t places = strtoul(argv[2], NULL, 10);
    uint64_t *at = calloc(places + 1, sizeof(*at));
    bool only_addresses = strcmp(argv[3], "-a") == 0;
    FILE *out = only_addresses ? stdout : fopen(argv[3], "wb");
    if (!at || !out)
        return 1;
    gs_elf_names_read(&e, argv[1], NULL, 0);
    drop_overlapping(&e);
    places = spread(&e, places, at);
    gs_elf_names_free(&e);
    if (!only_addresses)
        write_capture(argv[1], at, places, out);
    for (size_t i = 0; only_addresses && i < places; i++)
        fprintf(out, "0x%" PRIx64 "\n", at[i]);
    free(at);
    return fclose(out) != 0;
}
