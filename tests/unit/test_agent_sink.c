/* SPDX-License-Identifier: MIT
 * The capture file: never somebody else's, whole chunks or none, private.
 * LINK: gs_agent_objects
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/trace_sink.h"

static char dir[64];

static struct gs_sink sink_at(const char *name)
{
    struct gs_sink s = {.fd = -1};
    snprintf(s.path, sizeof(s.path), "%s/%s", dir, name);
    return s;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gs_sink_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void a_new_file_is_private(void **state)
{
    struct gs_sink s = sink_at("a.gsc");
    struct stat st;
    (void)state;
    assert_int_equal(gs_sink_create(&s, false, false), 0);
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(s.fd, -1);
}

static void a_name_that_exists_gets_a_number(void **state)
{
    struct gs_sink first = sink_at("a.gsc"), second = first, third = first;
    (void)state;
    assert_int_equal(gs_sink_create(&first, false, false), 0);
    assert_int_equal(gs_sink_create(&second, false, false), 0);
    assert_int_equal(gs_sink_create(&third, false, false), 0);
    assert_non_null(strstr(second.path, "/a-1.gsc"));
    assert_non_null(strstr(third.path, "/a-2.gsc"));
}

static void force_replaces_a_file_but_no_link(void **state)
{
    struct gs_sink first = sink_at("a.gsc"), again = first, link_sink = sink_at("l.gsc");
    char target[100];
    (void)state;
    assert_int_equal(gs_sink_create(&first, false, false), 0);
    assert_int_equal(gs_sink_create(&again, true, false), 0);
    assert_string_equal(first.path, again.path);
    snprintf(target, sizeof(target), "%s/victim", dir);
    assert_int_equal(symlink(target, link_sink.path), 0);
    assert_int_equal(gs_sink_create(&link_sink, true, false), 0);
    assert_non_null(strstr(link_sink.path, "/l-1.gsc"));
    assert_int_equal(size_of(target), -1);
}

static void appends_reopen_and_compare(void **state)
{
    struct gs_sink s = sink_at("a.gsc");
    char other[5000];
    (void)state;
    assert_int_equal(gs_sink_create(&s, false, false), 0);
    assert_true(gs_sink_append(&s, "hello", 5));
    assert_int_equal(size_of(s.path), 5);
    snprintf(other, sizeof(other), "%s.moved", s.path);
    assert_int_equal(rename(s.path, other), 0);
    int fd = open(s.path, O_CREAT | O_WRONLY, 0600); /* somebody else's file, by our name */
    assert_true(fd >= 0);
    close(fd);
    assert_false(gs_sink_append(&s, "world", 5));
    assert_int_equal(size_of(s.path), 0);
    assert_int_equal(size_of(other), 5);
    assert_int_equal(s.failed_writes, 1);
}

static void a_torn_append_is_taken_back(void **state)
{
    struct gs_sink s = sink_at("a.gsc");
    struct rlimit old, tight;
    char data[100] = {0};
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(gs_sink_create(&s, false, true), 0);
    assert_true(s.fd >= 0);
    assert_true(gs_sink_append(&s, data, 60));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = (struct rlimit){100, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_false(gs_sink_append(&s, data, 60));
    assert_int_equal(size_of(s.path), 60);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(gs_sink_append(&s, data, 60));
    assert_int_equal(size_of(s.path), 120);
    close((int)s.fd);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct gs_sink s = sink_at("no/such/a.gsc");
    (void)state;
    assert_int_equal(gs_sink_create(&s, false, false), -ENOENT);
}

static void go_on_in_another_file(bool keep_open)
{
    struct gs_sink s = sink_at("a.gsc");
    struct gs_sink first = s, next = sink_at("a.seg000001.gsc");
    assert_int_equal(gs_sink_create(&s, false, keep_open), 0);
    assert_true(gs_sink_append(&s, "hello", 5));
    assert_int_equal(gs_sink_switch(&s, s.path, false), -EEXIST);
    assert_true(gs_sink_append(&s, "!", 1)); /* nothing has changed */
    assert_int_equal(gs_sink_switch(&s, next.path, false), 0);
    assert_string_equal(s.path, next.path);
    assert_int_equal(s.bytes, 0);
    assert_true((s.fd >= 0) == keep_open);
    assert_true(gs_sink_append(&s, "world", 5));
    assert_int_equal(size_of(first.path), 6);
    assert_int_equal(size_of(next.path), 5);
    if (keep_open)
        close((int)s.fd);
}

static void a_switch_goes_on_in_another_file(void **state)
{
    (void)state;
    go_on_in_another_file(true);
}

static void so_it_does_where_no_file_is_held_open(void **state)
{
    (void)state;
    go_on_in_another_file(false);
}

static void only_its_own_file_is_removed(void **state)
{
    struct gs_sink s = sink_at("a.gsc");
    char other[5000];
    (void)state;
    assert_int_equal(gs_sink_create(&s, false, false), 0);
    snprintf(other, sizeof(other), "%s.link", s.path);
    assert_int_equal(symlink(s.path, other), 0);
    gs_sink_remove(other, s.dev, s.ino);
    gs_sink_remove(s.path, s.dev, s.ino + 1);
    assert_int_equal(size_of(s.path), 0);
    gs_sink_remove(s.path, s.dev, s.ino);
    assert_int_equal(size_of(s.path), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        T(a_new_file_is_private),
        T(a_name_that_exists_gets_a_number),
        T(force_replaces_a_file_but_no_link),
        T(appends_reopen_and_compare),
        T(a_torn_append_is_taken_back),
        T(a_folder_that_is_not_there_is_an_error),
        T(a_switch_goes_on_in_another_file),
        T(so_it_does_where_no_file_is_held_open),
        T(only_its_own_file_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
