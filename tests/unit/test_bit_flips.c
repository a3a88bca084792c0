/* SPDX-License-Identifier: MIT
 * One bit of a capture flipped: the result is the same to the last digit, or says that more was
 * lost than before, or the capture is refused. Every bit of the small golden captures, every
 * STEP-th of the large; with GILSCOPE_LONG every bit of all.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/profile_build.h"
#include "analyzer/stats.h"
#include "analyzer/trace_reader.h"

#define FLIPS_PER_FILE 1200u

struct result {
    enum gs_status status;
    char *json;
    uint64_t damaged, skipped, lost_chunks, lost_events;
};

static struct result analyse(const uint8_t *data, size_t size)
{
    struct gs_captures captures = {0};
    struct gs_load_options options = {.engine = "cpu"};
    struct gs_profile p = {0};
    struct gs_error err = {0};
    struct result r = {0};
    size_t len;
    r.status = gs_captures_add(&captures, data, size, "flipped", &err);
    if (r.status == GS_OK) {
        gs_captures_sort(&captures);
        r.status = gs_profile_build(&captures, &options, &p, &err);
    }
    gs_captures_close(&captures);
    if (r.status == GS_OK) {
        FILE *f = open_memstream(&r.json, &len);
        assert_non_null(f);
        gs_report_json(&p, f);
        fclose(f);
        r.damaged = p.damaged_chunks;
        r.skipped = p.skipped_bytes;
        r.lost_events = p.lost_events;
        for (size_t i = 0; i < p.n_processes; i++)
            r.lost_chunks += p.processes[i].lost_chunks;
    }
    gs_profile_free(&p);
    return r;
}

static bool is_told(const struct result *was, const struct result *is)
{
    return is->status != GS_OK || is->damaged != was->damaged || is->skipped != was->skipped ||
           is->lost_chunks != was->lost_chunks || is->lost_events != was->lost_events;
}

static size_t flip_all(const char *name, uint8_t *data, size_t size)
{
    size_t bits = size * 8, untold = 0;
    size_t step = getenv("GILSCOPE_LONG") ? 1 : bits / FLIPS_PER_FILE + 1;
    struct result was = analyse(data, size);
    for (size_t i = 0; i < bits; i += step) {
        data[i / 8] ^= (uint8_t)(1u << i % 8);
        struct result is = analyse(data, size);
        bool same = was.status == is.status && (!was.json || !strcmp(was.json, is.json));
        if (!same && !is_told(&was, &is) && untold++ < 5)
            print_error("%s: bit %zu of byte %zu changes the result and nothing says so\n", name,
                        i % 8, i / 8);
        free(is.json);
        data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    free(was.json);
    return untold;
}

static uint8_t *read_golden(const char *name, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/tests/golden/v1/%s", GS_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static void a_flipped_bit_is_told_or_changes_nothing(void **state)
{
    DIR *dir = opendir(GS_SOURCE_DIR "/tests/golden/v1");
    size_t untold = 0, files = 0;
    (void)state;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t size, len = strlen(e->d_name);
        if (len < 4 || strcmp(e->d_name + len - 4, ".gsc") != 0)
            continue;
        uint8_t *data = read_golden(e->d_name, &size);
        untold += flip_all(e->d_name, data, size);
        files++;
        free(data);
    }
    closedir(dir);
    assert_true(files > 10);
    assert_int_equal(untold, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_flipped_bit_is_told_or_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
