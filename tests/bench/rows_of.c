/* SPDX-License-Identifier: MIT
 * rows_of CAPTURE DIR: the rows of the capture's one GIL, in the order of the file, as arrays of
 * little-endian numbers, a file each (DIR/seq.i64 ...). Stacks are nodes of the profile, so equal
 * ones are one number. Prints what the rows take in the capture, as JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyzer/slices.h"
#include "analyzer/xalloc.h"
#include "tests/bench/one_gil.h"

#define KNOWN_FLAGS (GS_SLICE_TURN | GS_SLICE_WAIT | GS_SLICE_WAITED_FOR | GS_SLICE_FORCED)

/* In the order of values_of(). */
static const struct {
    const char *file;
    size_t width;
} columns[] = {{"seq.i64", 8},     {"t_acq_ns.i64", 8}, {"thread.i32", 4},
               {"flags.i32", 4},   {"hold_ns.i64", 8},  {"hold_stack.i32", 4},
               {"wait_ns.i64", 8}, {"wait_ds.i32", 4},  {"wait_stack.i32", 4}};
#define N_COLUMNS (sizeof(columns) / sizeof(*columns))

static void values_of(const struct gs_decoder *d, const struct gs_slice *s, uint64_t *v)
{
    bool waits = s->flags & GS_SLICE_WAIT;
    v[0] = s->seq;
    v[1] = s->acq_ns;
    v[2] = s->thread;
    v[3] = s->flags & KNOWN_FLAGS;
    v[4] = s->rel_ns - s->acq_ns;
    v[5] = gs_actor_node(&d->actors, s->hold_actor);
    v[6] = s->acq_ns - s->begin_ns;
    v[7] = s->ds;
    v[8] = waits ? gs_actor_node(&d->actors, s->wait_actor) : 0;
}

static FILE *open_column(const char *dir, const char *file)
{
    char *path = gs_xasprintf("%s/%s", dir, file);
    FILE *f = fopen(path, "wb");
    if (!f)
        one_gil_fail(path, "cannot be written");
    free(path);
    return f;
}

static void write_rows(struct gs_decoder *d, FILE *const *files, uint64_t *n_rows)
{
    uint64_t v[N_COLUMNS];
    struct gs_slice row;
    for (size_t i = 0; i < d->n; i++) {
        if (!gs_decoded_slice(d, i, &row))
            continue;
        values_of(d, &row, v);
        for (size_t k = 0; k < N_COLUMNS; k++)
            fwrite(&v[k], columns[k].width, 1, files[k]);
        ++*n_rows;
    }
}

static void close_columns(FILE *const *files)
{
    for (size_t k = 0; k < N_COLUMNS; k++) {
        bool failed = ferror(files[k]) != 0;
        failed |= fclose(files[k]) != 0;
        if (failed)
            one_gil_fail(columns[k].file, "cannot be written");
    }
}

int main(int argc, char **argv)
{
    struct one_gil g;
    struct gs_decoder d;
    FILE *files[N_COLUMNS];
    uint64_t n_rows = 0, slice_bytes = 0;
    if (argc != 3)
        one_gil_fail("usage", "rows_of CAPTURE DIR");
    one_gil_open(&g, argv[1]);
    gs_decoder_open(&d, &g.r, &g.stacks, g.gil->rows.size);
    for (size_t k = 0; k < N_COLUMNS; k++)
        files[k] = open_column(argv[2], columns[k].file);
    for (size_t i = 0; i < g.gil->slice_chunks.n; i++) {
        if (!gs_decode_slices(&d, g.gil->slice_chunks.at[i]))
            one_gil_fail(argv[1], "a chunk is damaged");
        slice_bytes += g.gil->slice_chunks.at[i]->hdr.total_len;
        write_rows(&d, files, &n_rows);
    }
    close_columns(files);
    printf("{\"rows\": %" PRIu64 ", \"slice_bytes\": %" PRIu64 ", \"capture_bytes\": %" PRIu64
           "}\n",
           n_rows, slice_bytes, g.captures.mapped_bytes);
    gs_decoder_close(&d);
    one_gil_close(&g);
    return 0;
}
