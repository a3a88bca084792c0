/* SPDX-License-Identifier: MIT
 * Time and memory of reading are bounded by the input's size: captures made to cost as much as they
 * can, each read in a child of its own under limits that only a cost out of all proportion reaches.
 * With an argument it prints what each costs: test_cost measure
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/dump.h"
#include "preload/pyabi/pyabi.h"
#include "tests/unit/capture_builder.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define MIB      (UINT64_C(1) << 20)
#define CPU_S    10 /* what is mended takes 0.1 to 3 s, what was not took minutes */
#define FULL     GS_CHUNK_MAX_ROWS
#define N_BLOCKS (FULL / 1024)
#define RISE_LEN (GS_BLOCK_HDR_LEN + 256) /* a block of 1024 values of 2 bits */

enum { TURN = GS_SLICE_TURN, WAIT = GS_SLICE_WAIT, BOTH = TURN | WAIT };

static bool measuring;

/* ---- chunks that say much in few bytes ---- */

struct thrifty { /* one column */
    enum { ABSENT, CONST, RISE } kind;
    uint64_t base; /* RISE: 1 less than the first value */
};

static size_t put_block(uint8_t *out, const struct thrifty *col, unsigned block)
{
    struct gs_block_hdr h = {.codec = GS_CODEC_CONST, .n = 1024, .base = col->base};
    size_t len = sizeof(h);
    if (col->kind == RISE) {
        h = (struct gs_block_hdr){2, GS_CODEC_DELTA, 1024, 64, col->base + 1024 * block};
        memset(out + sizeof(h), 0xaa, RISE_LEN - sizeof(h)); /* zigzag(1) in every 2 bits */
        len = RISE_LEN;
    }
    memcpy(out, &h, sizeof(h));
    return len;
}

static void seal(uint8_t *chunk, struct gs_chunk_hdr *h, size_t len)
{
    const uint32_t tail[2] = {(uint32_t)len, GS_CHUNK_END};
    h->total_len = (uint32_t)len;
    memcpy(chunk + len - sizeof(tail), tail, sizeof(tail));
    h->crc_payload =
        gs_crc32c(0, chunk + GS_CHUNK_HDR_LEN, len - GS_CHUNK_HDR_LEN - GS_CHUNK_TAIL_LEN);
    h->crc_header = gs_crc32c(0, h, offsetof(struct gs_chunk_hdr, crc_header));
    memcpy(chunk, h, sizeof(*h));
}

/* A full chunk; stack columns index a dictionary of the one entry `stack`. */
static void thrifty_chunk(struct cap *c, uint8_t stream, const struct thrifty *cols,
                          unsigned n_cols, uint32_t stack)
{
    struct gs_chunk_hdr h = {.magic = GS_CHUNK_MAGIC, .header_len = GS_CHUNK_HDR_LEN};
    uint8_t *out = cap_reserve(c, 16384);
    size_t at = GS_CHUNK_HDR_LEN;
    h.stream = stream;
    h.n_rows = FULL;
    h.process_key = c->key;
    h.gil = c->gil;
    h.chunk_no = c->chunk_no++;
    h.n_cols = (uint8_t)n_cols;
    h.n_dict = 1;
    for (unsigned k = 0; k < n_cols; k++) {
        h.col_off[k] = cols[k].kind == ABSENT ? 0 : (uint32_t)at;
        for (unsigned b = 0; b < N_BLOCKS && cols[k].kind != ABSENT; b++)
            at += put_block(out + at, &cols[k], b);
    }
    memcpy(out + at, &stack, sizeof(stack));
    at += sizeof(stack) + GS_CHUNK_TAIL_LEN;
    seal(out, &h, at);
    c->len += at;
}

static void open_capture(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
    cap_end_records(c);
}

/* ---- the bounded child ---- */

static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return (uint64_t)pages * 4096;
}

static void limit(int what, uint64_t value)
{
    struct rlimit r = {value, value};
    if (setrlimit(what, &r) != 0)
        _exit(99);
}

typedef void use_fn(const struct cap *c, FILE *out);

static void print_all(const struct cap *c, FILE *out)
{
    struct gs_profile p;
    cap_profile(c->data, c->len, "cpu", &p);
    gs_stats_text(&p, NULL, out);
    gs_report_json(&p, out);
    gs_profile_free(&p);
}

static void dump_all(const struct cap *c, FILE *out)
{
    gs_dump_json(c->data, c->len, out);
}

static void child(const struct cap *c, use_fn *use, uint64_t memory)
{
    FILE *out = fopen("/dev/null", "w");
    if (!measuring && !SANITIZED)
        limit(RLIMIT_AS, address_space() + memory);
    if (!measuring)
        limit(RLIMIT_CPU, SANITIZED ? 10 * CPU_S : CPU_S);
    use(c, out);
    fclose(out);
    _exit(0);
}

/* Uses the capture and closes it; memory: bytes on top of what the test has. */
static void costs_at_most(struct cap *c, use_fn *use, uint64_t memory)
{
    int status;
    struct rusage ru;
    long before;
    getrusage(RUSAGE_SELF, &ru);
    before = ru.ru_maxrss;
    pid_t pid = fork();
    if (pid == 0)
        child(c, use, memory);
    assert_int_equal(wait4(pid, &status, 0, &ru), pid);
    if (measuring)
        print_message("    %9zu bytes: %6.2f s, %6ld MiB\n", c->len,
                      (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec / 1e6 +
                          (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec / 1e6,
                      (ru.ru_maxrss - before) / 1024);
    cap_close(c);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- columns ---- */

/* Each of 250,000 waits claims to have begun at the first turn: 3e10 pieces of waiting. */
static void waits_that_span_everything(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    for (uint64_t i = 0; i < 60; i++) {
        const struct thrifty cols[] = {{RISE, i * FULL},    {RISE, i * FULL},   {CONST, i % 3},
                                       {CONST, BOTH},       {ABSENT, 0},        {ABSENT, 0},
                                       {CONST, UINT32_MAX}, {CONST, UINT32_MAX}};
        thrifty_chunk(&c, GS_STREAM_SLICE, cols, 8, 0);
    }
    costs_at_most(&c, print_all, 512 * MIB);
}

/* The same of 160,000 threads, each of which waits once and holds once: 1.3e10 pairs. */
static void everybody_waits_for_everybody(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    for (uint64_t i = 0; i < 40; i++) {
        const struct thrifty cols[] = {{RISE, i * FULL},    {RISE, i * FULL},   {RISE, i * FULL},
                                       {CONST, BOTH},       {ABSENT, 0},        {ABSENT, 0},
                                       {CONST, UINT32_MAX}, {CONST, UINT32_MAX}};
        thrifty_chunk(&c, GS_STREAM_SLICE, cols, 8, 0);
    }
    costs_at_most(&c, print_all, 2048 * MIB);
}

/* 250,000 samples of one turn, and as many waits over it. */
static void a_turn_full_of_samples(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    for (uint64_t i = 0; i < 60; i++) {
        const struct thrifty samples[] = {
            {CONST, 1}, {RISE, 2 * i * FULL}, {RISE, i * FULL}, {CONST, 3}, {CONST, 0}};
        thrifty_chunk(&c, GS_STREAM_HOLDER_SAMPLE, samples, 5, 5);
        const struct thrifty cols[] = {{RISE, i * FULL},    {RISE, i * FULL},   {ABSENT, 0},
                                       {CONST, BOTH},       {ABSENT, 0},        {ABSENT, 0},
                                       {CONST, UINT32_MAX}, {CONST, UINT32_MAX}};
        thrifty_chunk(&c, GS_STREAM_SLICE, cols, 8, 0);
    }
    costs_at_most(&c, print_all, 512 * MIB);
}

/* 8 million rows in 0.4 MB, all of one turn: a turn has one row, or two halves. */
static void one_turn_many_times(void **state)
{
    struct cap c;
    const struct thrifty cols[] = {{ABSENT, 0}, {ABSENT, 0}, {ABSENT, 0}, {CONST, BOTH}};
    (void)state;
    open_capture(&c);
    for (unsigned i = 0; i < 2000; i++)
        thrifty_chunk(&c, GS_STREAM_SLICE, cols, 4, 0);
    costs_at_most(&c, print_all, 64 * MIB);
}

/* 8 million samples in 0.5 MB, all of one moment. */
static void one_sample_many_times(void **state)
{
    struct cap c;
    const struct thrifty cols[] = {{ABSENT, 0}, {ABSENT, 0}, {ABSENT, 0}, {CONST, 3}, {CONST, 0}};
    (void)state;
    open_capture(&c);
    for (unsigned i = 0; i < 2000; i++)
        thrifty_chunk(&c, GS_STREAM_HOLDER_SAMPLE, cols, 5, 5);
    costs_at_most(&c, print_all, 64 * MIB);
}

/* 4,096 threads in one GIL, then 4,000 GILs with one wait of the last thread each. */
static void a_thread_table_for_each_gil(void **state)
{
    struct cap c;
    const struct thrifty many[] = {{RISE, 0}, {RISE, 0}, {RISE, 0}, {CONST, WAIT}};
    const struct thrifty one[] = {{ABSENT, 0}, {ABSENT, 0}, {CONST, FULL}, {CONST, WAIT}};
    (void)state;
    open_capture(&c);
    thrifty_chunk(&c, GS_STREAM_SLICE, many, 4, 0);
    for (c.gil = 1; c.gil < 4000; c.gil++)
        thrifty_chunk(&c, GS_STREAM_SLICE, one, 4, 0);
    costs_at_most(&c, print_all, 512 * MIB);
}

/* ---- records ---- */

static void records_of(struct cap *c, unsigned n, void put(struct cap *, uint64_t))
{
    cap_records(c);
    for (uint64_t i = 0; i < n; i++) {
        put(c, i);
        if (c->w.len < 1000000)
            continue;
        cap_end_records(c);
        cap_records(c);
    }
    cap_end_records(c);
}

static void put_totals(struct cap *c, uint64_t i)
{
    CAP_REC(c, GS_RECORD_TOTALS, 0, i, 100, 1, 1, 0, 0, 1, 5, 0, 0, 0, 0, 1, 90, 0);
}

/* 100,000 GILs with one thread each. */
static void totals_of_many_gils(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    records_of(&c, 100000, put_totals);
    costs_at_most(&c, print_all, 2048 * MIB);
}

static void put_sparse(struct cap *c, uint64_t i)
{
    CAP_REC(c, GS_RECORD_STACK, 4000000000 + i, 0, 1, 4000000000 + i, 1);
    CAP_REC(c, GS_RECORD_THREAD, 4000000000 + i, 1, 0, 0, 0);
    CAP_REC(c, GS_RECORD_GIL, 4000000000 + 100 * i, 0, 0);
}

/* Ids are names, not places in a table. */
static void ids_near_the_greatest(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    records_of(&c, 1000, put_sparse);
    costs_at_most(&c, print_all, 64 * MIB);
}

static void put_line_table(struct cap *c, uint64_t len)
{
    uint8_t *table = malloc(len);
    memset(table, 0xf8, len); /* a place without lines, of one code unit */
    gs_record_begin(&c->w, GS_RECORD_CODE);
    gs_record_put_u(&c->w, 1);
    cap_put_s(c, "a.py");
    cap_put_s(c, "f");
    gs_record_put_z(&c->w, 1);
    gs_record_put_u(&c->w, GS_LINETABLE_LOCATIONS);
    gs_record_put_bytes(&c->w, (const char *)table, len);
    if (gs_record_end(&c->w))
        c->n_records++;
    free(table);
}

/* 10 processes, each with a line table of 200 kB asked for 20,000 places near its end. */
static void long_line_tables(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    for (c.key = 1; c.key <= 10; c.key++) {
        c.chunk_no = c.key == 1;
        cap_records(&c);
        put_line_table(&c, 200000);
        for (uint64_t i = 0; i < 20000; i++)
            CAP_REC(&c, GS_RECORD_STACK, 1 + i, 0, 1, 1, 399998 - i);
        cap_end_records(&c);
    }
    costs_at_most(&c, print_all, 256 * MIB);
}

/* ---- memory ---- */

#define ARENA_BYTES MIB
#define POOL_BYTES  16384

static void put_arenas(struct cap *c, uint64_t n)
{
    cap_records(c);
    for (uint64_t i = 0; i < n; i++)
        CAP_REC(c, GS_RECORD_ARENA, i, i, i * ARENA_BYTES, ARENA_BYTES, POOL_BYTES);
    cap_end_records(c);
}

/* 8 million rows of one reading, as many of one sample, and of one that was freed. */
static void one_reading_many_times(void **state)
{
    const struct thrifty cols[] = {{CONST, 5}, {ABSENT, 0}, {ABSENT, 0}, {CONST, 0x0401}};
    struct cap c;
    (void)state;
    open_capture(&c);
    put_arenas(&c, 1);
    for (unsigned i = 0; i < 2000; i++) {
        thrifty_chunk(&c, GS_STREAM_POOLS, cols, 4, 0);
        thrifty_chunk(&c, GS_STREAM_ALLOC, cols, 2, 0);
        thrifty_chunk(&c, GS_STREAM_FREE, cols, 2, 0);
    }
    costs_at_most(&c, print_all, 64 * MIB);
}

/* 500,000 readings of four pools each; 500,000 arenas that are no arenas; 500,000 live samples. */
static void readings_of_everything(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    put_arenas(&c, 1);
    for (uint64_t i = 0; i < 120; i++) {
        const struct thrifty readings[] = {
            {RISE, i * FULL}, {ABSENT, 0}, {ABSENT, 0}, {CONST, 1025}};
        const struct thrifty unknown[] = {{RISE, i * FULL}, {RISE, i * FULL}};
        const struct thrifty samples[] = {
            {RISE, i * FULL}, {RISE, i * FULL}, {RISE, i * FULL}, {CONST, 16}, {CONST, UINT64_MAX}};
        thrifty_chunk(&c, GS_STREAM_POOLS, readings, 4, 0);
        thrifty_chunk(&c, GS_STREAM_POOLS, unknown, 2, 0);
        thrifty_chunk(&c, GS_STREAM_ALLOC, samples, 5, 0);
        thrifty_chunk(&c, GS_STREAM_FREE, unknown, 2, 0);
    }
    costs_at_most(&c, print_all, 256 * MIB);
}

/* 100,000 arenas, all alive in 20,000 looks. */
static void looks_at_many_arenas(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    put_arenas(&c, 100000);
    cap_records(&c);
    for (uint64_t i = 0; i < 20000; i++) {
        CAP_REC(&c, GS_RECORD_MEMORY, 200000 + i);
        CAP_REC(&c, GS_RECORD_HEAP, i);
        CAP_REC(&c, GS_RECORD_MAPS, i);
    }
    cap_end_records(&c);
    costs_at_most(&c, print_all, 128 * MIB);
}

/* 20,000 processes, each with a map of its one arena. */
static void a_map_for_each_process(void **state)
{
    struct cap c;
    (void)state;
    open_capture(&c);
    for (uint64_t i = 0; i < 20000; i++) {
        c.key = 2 + i;
        c.chunk_no = 0;
        c.n_chunks = 0; /* where they lie is not looked at */
        cap_records(&c);
        CAP_REC(&c, GS_RECORD_ARENA, 0, 0, 0, ARENA_BYTES, POOL_BYTES);
        CAP_REC(&c, GS_RECORD_MEMORY, 1);
        CAP_REC(&c, GS_RECORD_MEMORY, 2);
        cap_end_records(&c);
    }
    costs_at_most(&c, print_all, 256 * MIB);
}

/* ---- chunks ---- */

/* 200,000 processes of one empty chunk; then 200,000 chunks of one, their numbers falling. */
static void dump_of_many_chunks(void **state)
{
    struct cap c;
    (void)state;
    cap_open(&c, 1);
    for (uint64_t i = 0; i < 400000; i++) {
        struct gs_chunk_hdr h = {.magic = GS_CHUNK_MAGIC, .header_len = GS_CHUNK_HDR_LEN};
        h.stream = GS_STREAM_RECORDS;
        h.process_key = i < 200000 ? i : 1;
        h.chunk_no = i < 200000 ? 0 : (uint32_t)(500000 - i);
        seal(cap_reserve(&c, 136), &h, 136);
        c.len += 136;
    }
    costs_at_most(&c, dump_all, 256 * MIB);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_that_span_everything),
        cmocka_unit_test(everybody_waits_for_everybody),
        cmocka_unit_test(a_turn_full_of_samples),
        cmocka_unit_test(one_turn_many_times),
        cmocka_unit_test(one_sample_many_times),
        cmocka_unit_test(a_thread_table_for_each_gil),
        cmocka_unit_test(totals_of_many_gils),
        cmocka_unit_test(ids_near_the_greatest),
        cmocka_unit_test(long_line_tables),
        cmocka_unit_test(one_reading_many_times),
        cmocka_unit_test(readings_of_everything),
        cmocka_unit_test(looks_at_many_arenas),
        cmocka_unit_test(a_map_for_each_process),
        cmocka_unit_test(dump_of_many_chunks),
    };
    measuring = argc > 1 && strcmp(argv[1], "measure") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
