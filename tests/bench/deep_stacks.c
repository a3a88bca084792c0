/* SPDX-License-Identifier: MIT
 * deep_stacks N: on stdout, a capture of N turns, each at a stack of its own, of 20 frames. Stacks
 * differ at different depths, as those of a program do: one in two in the innermost frame only, one
 * in four in the two innermost, and so on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/capture_builder.h"

#define DEPTH   20u
#define N_CODES 5000u
#define HOLD_NS 1000u

static void flush_when(struct cap *c, size_t limit)
{
    if (c->w.len <= limit)
        return;
    cap_end_records(c);
    cap_records(c);
}

static void put_codes(struct cap *c)
{
    char file[64], func[64];
    for (unsigned id = 1; id <= N_CODES; id++) {
        snprintf(file, sizeof(file), "/srv/job/package_%u/module_%u.py", id % 40, id % 400);
        snprintf(func, sizeof(func), "Class%u.method_%u", id % 900, id);
        cap_code(c, id, file, func, (int)(1 + id % 700));
        flush_when(c, GS_CHUNK_MAX_LEN / 4);
    }
}

/* Frame `depth` (0: innermost) of stack i is one of the i >> depth subtrees there. */
static void put_stack(struct cap *c, uint64_t i)
{
    gs_record_begin(&c->w, GS_RECORD_STACK);
    gs_record_put_u(&c->w, i + 1);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, DEPTH);
    for (unsigned depth = 0; depth < DEPTH; depth++) {
        uint64_t place = (i >> depth) * DEPTH + depth;
        gs_record_put_u(&c->w, 1 + place * UINT64_C(2654435761) % N_CODES);
        gs_record_put_u(&c->w, 0);
    }
    if (gs_record_end(&c->w))
        c->n_records++;
    flush_when(c, GS_CHUNK_MAX_LEN / 4);
}

static void put_turns(struct cap *c, uint64_t n)
{
    static struct cap_row rows[GS_CHUNK_MAX_ROWS];
    for (uint64_t i = 0, k = 0; i < n; i++) {
        uint64_t hold = HOLD_NS + i % 977;
        rows[k++] = (struct cap_row){.seq = i + 1,
                                     .t_acq = (i + 1) * 2 * HOLD_NS,
                                     .flags = GS_SLICE_TURN,
                                     .hold = hold,
                                     .hold_stack = i + 1};
        if (k == GS_CHUNK_MAX_ROWS || i + 1 == n) {
            cap_slices(c, rows, k);
            k = 0;
        }
    }
}

int main(int argc, char **argv)
{
    static struct cap c;
    uint64_t n = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (n == 0) {
        fprintf(stderr, "usage: deep_stacks N > CAPTURE\n");
        return 2;
    }
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 1, 0, 1);
    cap_thread(&c, 0, "MainThread");
    put_codes(&c);
    for (uint64_t i = 0; i < n; i++)
        put_stack(&c, i);
    cap_end_records(&c);
    put_turns(&c, n);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_END, (n + 2) * 2 * HOLD_NS, GS_EVENT_EXIT);
    cap_end_records(&c);
    bool written = fwrite(c.data, 1, c.len, stdout) == c.len && fflush(stdout) == 0;
    cap_close(&c);
    return written ? 0 : 1;
}
