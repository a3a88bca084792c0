/* SPDX-License-Identifier: MIT
 * What counting costs, kept from one run to the next, and what follows from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/engine_rates.h"
#include "analyzer/parallel.h"

static char folder[] = "/tmp/gilscope-rates-XXXXXX";

static void path_of(char out[PATH_MAX], const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s", folder, name);
}

static void write_file(const char *text)
{
    char path[PATH_MAX];
    path_of(path, "gilscope/engine-rates");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void assert_nothing_known(void)
{
    struct gs_rates r = {1, 1, 1, 1};
    gs_rates_load(&r);
    assert_true(r.cpu_ns == 0 && r.cuda_ns == 0 && r.cuda_open_ns == 0 && r.cuda_step_ns == 0);
}

static void what_is_saved_is_loaded(void **state)
{
    const struct gs_rates saved = {12.5, 0.75, 350000000, 1500};
    struct gs_rates loaded;
    char path[PATH_MAX];
    struct stat st;
    (void)state;
    assert_nothing_known(); /* no file yet */
    gs_rates_save(&saved);
    gs_rates_load(&loaded);
    assert_true(loaded.cpu_ns == 12.5 && loaded.cuda_ns == 0.75);
    assert_true(loaded.cuda_open_ns == 350000000 && loaded.cuda_step_ns == 1500);
    path_of(path, "gilscope");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void what_is_not_ours_says_nothing(void **state)
{
    char text[256];
    unsigned cores = gs_parallel_workers(0, UINT_MAX);
    (void)state;
    write_file("");
    assert_nothing_known();
    write_file("gilscope 0.0.1, 2 cores\ncpu_ps 1 cuda_ps 1 cuda_open_us 1\n");
    assert_nothing_known();
    snprintf(text, sizeof(text), "gilscope %s, %u cores\ncpu_ps 1 cuda_ps 1 cuda_open_us 1\n",
             GILSCOPE_VERSION, cores + 1);
    write_file(text);
    assert_nothing_known();
    snprintf(text, sizeof(text), "gilscope %s, %u cores\ncpu_ps -1 cuda_ps 1 cuda_open_us 1\n",
             GILSCOPE_VERSION, cores);
    write_file(text);
    assert_nothing_known();
    snprintf(text, sizeof(text), "gilscope %s, %u cores\ncpu_ps 1 cuda_ps", GILSCOPE_VERSION,
             cores);
    write_file(text);
    assert_nothing_known();
}

static void folders_that_cannot_be_written_to(void **state)
{
    const struct gs_rates r = {1, 1, 1, 1};
    (void)state;
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    gs_rates_save(&r);
    assert_nothing_known();
    setenv("XDG_CACHE_HOME", "relative", 1); /* as if it were not set */
    setenv("HOME", "also relative", 1);
    gs_rates_save(&r);
    assert_nothing_known();
    setenv("XDG_CACHE_HOME", folder, 1);
}

static void what_a_device_saves(void **state)
{
    const struct gs_rates known = {10, 2, 5e6, 0}, none = {0};
    const struct gs_rates_job job = {1000000, 15000000, 40000000};
    (void)state;
    assert_true(gs_rates_saved_ns(&known, &job) == 8e6);
    assert_true(gs_rates_open_ns(&known) == 5e6);
    /* Before anything is measured: the survey's 40 ms against 15 MB at 5 GB/s. */
    assert_true(gs_rates_saved_ns(&none, &job) == 37e6);
    assert_true(gs_rates_open_ns(&none) == 350e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(what_is_not_ours_says_nothing),
        cmocka_unit_test(folders_that_cannot_be_written_to),
        cmocka_unit_test(what_a_device_saves),
    };
    char path[PATH_MAX];
    if (!mkdtemp(folder))
        return 1;
    setenv("XDG_CACHE_HOME", folder, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    path_of(path, "gilscope/engine-rates");
    unlink(path);
    path_of(path, "gilscope");
    rmdir(path);
    rmdir(folder);
    return failed;
}
