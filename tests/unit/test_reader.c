/* SPDX-License-Identifier: MIT
 * The same chunks give the same profile however they lie in files; damage costs what it hits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/xalloc.h"
#include "tests/unit/capture_builder.h"

/* n turns in chunks of ten rows; thread i % 3, all waited for. */
static void open_example(struct cap *c, uint64_t key, uint32_t pid, unsigned n)
{
    cap_open(c, key);
    cap_records(c);
    cap_process(c, pid, 0, 1);
    for (unsigned i = 0; i < 3; i++)
        cap_thread(c, i, i ? "worker" : "MainThread");
    cap_code(c, 1, "/a/b.py", "main", 1);
    cap_code(c, 2, "/a/b.py", "work", 20 + (int)(key % 3));
    cap_stack2(c, 1, 2, 1);
    cap_end_records(c);
    struct cap_row rows[10];
    for (unsigned i = 0, at = 0; i < n; i++) {
        rows[at++] = (struct cap_row){i + 1, 1000 * (i + 1), i % 3, 3, 900, 1, 950, 1, 1};
        if (at == 10 || i + 1 == n) {
            cap_slices(c, rows, at);
            at = 0;
        }
    }
    cap_records(c);
    CAP_REC(c, GS_RECORD_END, 1000 * (n + 2), 1);
    cap_end_records(c);
}

static void order_of_chunks_means_nothing(void **state)
{
    struct cap c;
    uint64_t rng = 3;
    (void)state;
    open_example(&c, 5, 10, 95);
    char *want = cap_json_of(c.data, c.len, "cpu");
    for (unsigned round = 0; round < 20; round++) {
        uint8_t *mixed = malloc(c.len);
        size_t order[64], len = 0;
        for (size_t i = 0; i < c.n_chunks; i++)
            order[i] = i;
        for (size_t i = 0; i + 1 < c.n_chunks; i++) {
            size_t j = i + cap_random(&rng) % (c.n_chunks - i), k = order[i];
            order[i] = order[j];
            order[j] = k;
        }
        for (size_t i = 0; i < c.n_chunks; i++) {
            size_t from = c.chunk_off[order[i]], n = c.chunk_off[order[i] + 1] - from;
            memcpy(mixed + len, c.data + from, n);
            len += n;
        }
        char *got = cap_json_of(mixed, len, round % 2 ? "reference" : "cpu");
        assert_string_equal(got, want);
        free(got);
        free(mixed);
    }
    free(want);
    cap_close(&c);
}

static void a_copied_capture_counts_once(void **state)
{
    struct cap c;
    (void)state;
    open_example(&c, 5, 10, 40);
    char *want = cap_json_of(c.data, c.len, "cpu");
    uint8_t *twice = calloc(1, 2 * c.len + 100); /* with padding between and behind */
    memcpy(twice, c.data, c.len);
    memcpy(twice + c.len + 13, c.data, c.len);
    char *got = cap_json_of(twice, 2 * c.len + 100, "cpu");
    assert_string_equal(got, want);
    free(got);
    free(want);
    free(twice);
    cap_close(&c);
}

static void write_file(const char *dir, const char *name, const void *p, size_t len)
{
    char *path = gs_xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, len, f), len);
    fclose(f);
    free(path);
}

/* Piece by piece, as agents do: the page cache then holds it in small pieces, too. */
static void write_slowly(const char *dir, const char *name, const uint8_t *p, size_t len)
{
    enum { PIECE = 4096 };
    char *path = gs_xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    setbuf(f, NULL);
    for (size_t at = 0; at < len; at += PIECE)
        assert_int_equal(fwrite(p + at, len - at < PIECE ? len - at : PIECE, 1, f), 1);
    fclose(f);
    free(path);
}

static char *load_json(const char *const *paths, size_t n)
{
    struct gs_profile p;
    struct gs_error err = {0};
    assert_int_equal(gs_profile_load(paths, n, NULL, &p, &err), GS_OK);
    char *text = cap_json(&p);
    gs_profile_free(&p);
    return text;
}

/* One file for each process, split files, and one concatenation: the same job. */
static void files_may_be_split_and_joined(void **state)
{
    struct cap a, b;
    char dir[] = "/tmp/gs-reader-XXXXXX", sub[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof(sub), "%s/deep", dir);
    mkdir(sub, 0700);
    open_example(&a, 900, 10, 64);
    open_example(&b, 7, 11, 33);
    uint8_t *both = malloc(a.len + b.len);
    memcpy(both, b.data, b.len);
    memcpy(both + b.len, a.data, a.len);
    write_file(sub, "joined.gsc", both, a.len + b.len);
    const char *subdir[] = {sub};
    char *want = load_json(subdir, 1);
    size_t cut = a.chunk_off[3];
    write_file(dir, "a1", a.data, cut);
    write_file(dir, "a2", a.data + cut, a.len - cut);
    write_file(dir, "b", b.data, b.len);
    char *p[3] = {gs_xasprintf("%s/b", dir), gs_xasprintf("%s/a2", dir),
                  gs_xasprintf("%s/a1", dir)};
    const char *paths[] = {p[0], p[1], p[2], p[1]};
    char *got = load_json(paths, 4);
    assert_string_equal(got, want);
    free(got);
    const char *dirs[] = {dir}; /* finds deep/joined.gsc, not the others */
    got = load_json(dirs, 1);
    assert_string_equal(got, want);
    free(got);
    free(want);
    free(both);
    for (int i = 0; i < 3; i++) {
        unlink(p[i]);
        free(p[i]);
    }
    char *joined = gs_xasprintf("%s/joined.gsc", sub);
    unlink(joined);
    free(joined);
    rmdir(sub);
    rmdir(dir);
    cap_close(&a);
    cap_close(&b);
}

/* ---- memory ---- */

enum { SMALL_CHUNKS = 2000 };

/* Chunks of some 8 KB: a page of one that is read brings those beside it along. */
static void open_small_chunks(struct cap *c)
{
    static struct cap_row rows[GS_CHUNK_MAX_ROWS];
    uint64_t seq = 0;
    open_example(c, 5, 10, 1);
    for (unsigned i = 0; i < SMALL_CHUNKS; i++) {
        for (size_t k = 0; k < GS_CHUNK_MAX_ROWS; k++) {
            seq++;
            rows[k] = (struct cap_row){seq + 1, 1000 * (seq + 1), seq % 2, 3, 900, 1, 950, 1, 1};
        }
        cap_slices(c, rows, GS_CHUNK_MAX_ROWS);
    }
}

/* Bytes of the file that are in this process's memory. */
static uint64_t resident_bytes(const char *path)
{
    char line[512];
    uint64_t bytes = 0;
    unsigned long kib, from, to;
    bool is_it = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_it = strstr(line, path) != NULL;
        if (is_it && sscanf(line, "Rss: %lu kB", &kib) == 1)
            bytes += kib << 10;
    }
    fclose(f);
    return bytes;
}

/* Each of the two files could stay in memory, both together not. */
static void large_captures_do_not_stay_in_memory(void **state)
{
    const uint64_t most = 6 << 20;
    char dir[] = "/tmp/gs-reader-XXXXXX";
    const char *paths[] = {dir};
    struct gs_captures captures;
    struct gs_profile p;
    struct cap c;
    (void)state;
    assert_non_null(mkdtemp(dir));
    open_small_chunks(&c);
    size_t cut = c.chunk_off[SMALL_CHUNKS / 2], keep = c.len / 2 + (1 << 20);
    write_slowly(dir, "a.gsc", c.data, cut);
    write_slowly(dir, "b.gsc", c.data + cut, c.len - cut);
    assert_true(c.len > 2 * most && cut < keep && c.len - cut < keep);
    assert_int_equal(gs__captures_open(&captures, paths, 1, keep, NULL), GS_OK);
    assert_in_range(resident_bytes(dir), 0, most);
    assert_int_equal(gs_profile_build(&captures, NULL, &p, NULL), GS_OK);
    assert_in_range(resident_bytes(dir), 0, most);
    assert_int_equal(p.processes[0].gil.acquisitions, SMALL_CHUNKS * GS_CHUNK_MAX_ROWS + 1);
    gs_profile_free(&p);
    gs_captures_close(&captures);
    for (char name = 'a'; name <= 'b'; name++) {
        char *path = gs_xasprintf("%s/%c.gsc", dir, name);
        unlink(path);
        free(path);
    }
    rmdir(dir);
    cap_close(&c);
}

/* ---- damage ---- */

static void a_damaged_chunk_costs_that_chunk(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_example(&c, 5, 10, 50);
    c.data[c.chunk_off[2] + 200] ^= 0x10; /* payload of rows 11 to 20 */
    cap_profile(c.data, c.len, "cpu", &p);
    assert_int_equal(p.damaged_chunks, 1);
    assert_int_equal(p.lost_events, 10);
    assert_int_equal(p.processes[0].lost_chunks, 0); /* its number is known */
    assert_int_equal(p.processes[0].gil.acquisitions, 40);
    assert_true(p.ended);
    assert_false(p.complete); /* as if it were missing */
    gs_profile_free(&p);
    cap_close(&c);
}

static void resumes_at_any_byte(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_example(&c, 5, 10, 50);
    size_t from = c.chunk_off[2] + 57, to = c.chunk_off[4] + 21; /* a hole of odd length */
    memmove(c.data + from, c.data + to, c.len - to);
    cap_profile(c.data, c.len - (to - from), "cpu", &p);
    assert_int_equal(p.damaged_chunks, 1);
    assert_int_equal(p.processes[0].lost_chunks, 3); /* rows 11 to 40 */
    assert_int_equal(p.processes[0].gil.acquisitions, 20);
    gs_profile_free(&p);
    cap_close(&c);
}

static void any_truncation_is_read(void **state)
{
    struct cap c;
    (void)state;
    open_example(&c, 5, 10, 25);
    for (size_t len = c.chunk_off[1]; len < c.len; len += 7) {
        struct gs_profile p;
        cap_profile(c.data, len, "cpu", &p);
        assert_false(p.complete);
        gs_profile_free(&p);
    }
    cap_close(&c);
}

static enum gs_status load_memory(const void *data, size_t len, struct gs_error *err)
{
    struct gs_captures captures = {0};
    enum gs_status s = gs_captures_add(&captures, data, len, "x.gsc", err);
    gs_captures_close(&captures);
    return s;
}

static void refuses_what_it_does_not_know(void **state)
{
    struct gs_file_hdr h;
    struct gs_error err = {0};
    (void)state;
    assert_int_equal(load_memory("this is not a capture", 21, &err), GS_ERR_MAGIC);
    assert_string_equal(err.text, "x.gsc is not a gilscope capture");
    gs_file_hdr_encode(&h, 0, 1, 0, 0);
    h.major = 2;
    h.crc = gs_crc32c(0, &h, offsetof(struct gs_file_hdr, crc));
    err.status = GS_OK;
    assert_int_equal(load_memory(&h, sizeof(h), &err), GS_ERR_VERSION);
    assert_non_null(strstr(err.text, "format 2.0"));
    gs_file_hdr_encode(&h, 0, 1, 0, 0);
    h.feat_incompat = 4;
    h.crc = gs_crc32c(0, &h, offsetof(struct gs_file_hdr, crc));
    err.status = GS_OK;
    assert_int_equal(load_memory(&h, sizeof(h), &err), GS_ERR_FEATURE);
}

static void missing_files_are_named(void **state)
{
    struct gs_profile p;
    struct gs_error err = {0};
    const char *paths[] = {"/nonexistent/\033[31m.gsc"};
    (void)state;
    assert_int_equal(gs_profile_load(paths, 1, NULL, &p, &err), GS_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/?[31m.gsc"));
    struct gs_load_options options = {.engine = "gpu"};
    struct cap c;
    struct gs_captures captures = {0};
    open_example(&c, 5, 10, 1);
    gs_captures_add(&captures, c.data, c.len, "x", NULL);
    err.status = GS_OK;
    assert_int_equal(gs_profile_build(&captures, &options, &p, &err), GS_ERR_USAGE);
    gs_captures_close(&captures);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_chunks_means_nothing),
        cmocka_unit_test(a_copied_capture_counts_once),
        cmocka_unit_test(files_may_be_split_and_joined),
        cmocka_unit_test(large_captures_do_not_stay_in_memory),
        cmocka_unit_test(a_damaged_chunk_costs_that_chunk),
        cmocka_unit_test(resumes_at_any_byte),
        cmocka_unit_test(any_truncation_is_read),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
