/* SPDX-License-Identifier: MIT
 * usage: gs_make_metronome TURNS FILE: two threads take turns of TURN_NS each, one waits while the
 * other holds. Nothing varies, so a row takes two bytes, a capture of more than 2^32 rows fits on a
 * disk, and every sum is known: see tests/integration/test_many_rows.py.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/capture_builder.h"

enum { TURN_NS = 300, BEGIN_NS = 4000000 };

static uint64_t columns[GS_CHUNK_MAX_COLS][GS_CHUNK_MAX_ROWS];

static void put(FILE *out, const void *data, size_t len)
{
    if (fwrite(data, 1, len, out) != len) {
        perror("gs_make_metronome");
        exit(1);
    }
}

static void put_definitions(struct cap *c, FILE *out)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 77, BEGIN_NS, 1);
    cap_code(c, 1, "/app/clock.py", "tick", 1);
    cap_code(c, 2, "/app/clock.py", "tock", 2);
    for (uint64_t i = 0; i < 2; i++) {
        cap_thread(c, i, i ? "tock" : "tick");
        CAP_REC(c, GS_RECORD_STACK, i + 1, 0, 1, i + 1, 0);
    }
    cap_end_records(c);
    put(out, c->data, c->len);
}

/* seq, t_acq, thread, flags, hold, hold_stack, wait, wait_ds, wait_stack */
static void fill_columns(uint64_t first_seq, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t seq = first_seq + i, thread = seq & 1, waits = seq > 1;
        const uint64_t row[] = {seq,
                                BEGIN_NS + seq * TURN_NS,
                                thread,
                                GS_SLICE_TURN | (waits ? GS_SLICE_WAIT : 0),
                                TURN_NS,
                                thread + 1,
                                waits * TURN_NS,
                                waits,
                                waits * (thread + 1)};
        for (size_t k = 0; k < sizeof(row) / sizeof(*row); k++)
            columns[k][i] = row[k];
    }
}

static void put_turns(struct cap *c, uint64_t turns, FILE *out)
{
    static uint8_t buf[GS_CHUNK_MAX_LEN];
    const uint64_t *at[GS_CHUNK_MAX_COLS];
    for (size_t k = 0; k < GS_CHUNK_MAX_COLS; k++)
        at[k] = columns[k];
    for (uint64_t done = 0; done < turns;) {
        size_t len,
            n = turns - done < GS_CHUNK_MAX_ROWS ? (size_t)(turns - done) : GS_CHUNK_MAX_ROWS;
        struct gs_chunk_meta meta = {.process_key = 1, .chunk_no = c->chunk_no++};
        fill_columns(1 + done, n);
        if (gs_chunk_encode(GS_STREAM_SLICE, &meta, at, n, c->scratch, buf, sizeof(buf), &len) !=
            GS_OK)
            abort();
        put(out, buf, len);
        done += n;
    }
}

int main(int argc, char **argv)
{
    struct cap c;
    FILE *out = argc == 3 ? fopen(argv[2], "wb") : NULL;
    if (!out) {
        fprintf(stderr, "usage: gs_make_metronome TURNS FILE%s%s\n", argc == 3 ? ": " : "",
                argc == 3 ? strerror(errno) : "");
        return 2;
    }
    put_definitions(&c, out);
    put_turns(&c, strtoull(argv[1], NULL, 10), out);
    cap_close(&c);
    return fclose(out) != 0;
}
