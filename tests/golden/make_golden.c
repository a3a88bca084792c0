/* SPDX-License-Identifier: MIT
 * usage: gs_make_golden DIR: writes the golden captures of format version 1 into DIR.
 */
#include <stdio.h>
#include <string.h>

#include "tests/golden/golden.h"

static void make_minimal(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_definitions(c);
    put_rows(c, GS_STREAM_SLICE, 3);
    put_end(c);
}

static void make_header_only(struct capture *c)
{
    put_file_hdr(c, KEY_A);
}

static void make_all_streams(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_definitions(c);
    for (uint8_t s = GS_STREAM_SLICE; s <= GS_STREAM_SCHED; s++) {
        put_rows(c, s, 1);
        put_rows(c, s, 70);
        put_adversarial_rows(c, s, 33);
    }
    put_end(c);
}

static void make_slice_blocks(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_rows(c, GS_STREAM_SLICE, GS_CHUNK_MAX_ROWS);
    put_rows(c, GS_STREAM_SLICE, 1500);
}

static void make_hold_sample_blocks(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_rows(c, GS_STREAM_HOLD_SAMPLE, 1040);
}

static void make_sched_blocks(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_adversarial_rows(c, GS_STREAM_SCHED, 1030);
}

static void make_codecs(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    put_adversarial_rows(c, GS_STREAM_EDGE, 2100);
}

/* Two processes in one file, one of them copied in twice. */
static void make_concatenated(struct capture *c)
{
    static struct capture b;

    b.len = 0;
    put_file_hdr(&b, KEY_B);
    put_definitions(&b);
    put_rows(&b, GS_STREAM_SLICE, 4);
    put_end(&b);
    memcpy(c->data, b.data, b.len);
    c->len = b.len;
    make_minimal(c);
    memcpy(c->data + c->len, b.data, b.len);
    c->len += b.len;
}

static const struct {
    const char *name;
    void (*make)(struct capture *);
} captures[] = {
    {"minimal", make_minimal},
    {"memory", make_memory},
    {"cuda", make_cuda},
    {"sync", make_sync},
    {"gc", make_gc},
    {"counters", make_counters},
    {"counted", make_counted},
    {"native", make_native},
    {"header_only", make_header_only},
    {"all_records", make_all_records},
    {"segments", make_segments},
    {"all_streams", make_all_streams},
    {"slice_blocks", make_slice_blocks},
    {"hold_sample_blocks", make_hold_sample_blocks},
    {"sched_blocks", make_sched_blocks},
    {"codecs", make_codecs},
    {"concatenated", make_concatenated},
    {"lost_chunks", make_lost_chunks},
    {"sigkill", make_sigkill},
    {"damaged_payload", make_damaged_payload},
    {"damaged_header", make_damaged_header},
    {"damaged_file_header", make_damaged_file_header},
    {"garbage_between", make_garbage_between},
    {"torn_then_next", make_torn_then_next},
    {"zero_padding", make_zero_padding},
    {"unknown_stream", make_unknown_stream},
    {"corrupt_contents", make_corrupt_contents},
    {"future_minor", make_future_minor},
    {"future_major", make_future_major},
    {"unknown_incompat", make_unknown_incompat},
    {"not_a_capture", make_not_a_capture},
};

static int write_capture(const char *dir, const char *name, const struct capture *c)
{
    char path[4096];
    FILE *f;
    int ok;

    snprintf(path, sizeof(path), "%s/%s.gsc", dir, name);
    f = fopen(path, "wb");
    if (!f)
        return 0;
    ok = fwrite(c->data, 1, c->len, f) == c->len;
    return !fclose(f) && ok;
}

int main(int argc, char **argv)
{
    static struct capture c;

    if (argc != 2) {
        fprintf(stderr, "usage: gs_make_golden DIR\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
        memset(&c, 0, sizeof(c));
        captures[i].make(&c);
        if (!write_capture(argv[1], captures[i].name, &c)) {
            perror(captures[i].name);
            return 1;
        }
    }
    return 0;
}
