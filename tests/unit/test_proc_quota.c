/* SPDX-License-Identifier: MIT
 * CPU time that control groups allow, from folders made here.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/proc_quota.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char command[512];
    snprintf(command, sizeof(command), "mkdir -p $(dirname '%s%s')", root, path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s%s", root, path);
    FILE *f = fopen(command, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin(void **state)
{
    (void)state;
    strcpy(root, "/tmp/gs_quota_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void check(uint64_t quota_us, uint64_t period_us)
{
    struct gs_cpu_quota q = gs_proc_cpu_quota(root);
    assert_int_equal(q.quota_us, quota_us);
    assert_int_equal(q.period_us, period_us);
}

static void nothing_is_known(void **state)
{
    (void)state;
    check(0, 0);
    put("/proc/self/cgroup", "0::/\n");
    check(0, 0);
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    check(0, 0);
    put("/sys/fs/cgroup/cpu.max", "junk");
    check(0, 0);
    put("/sys/fs/cgroup/cpu.max", "0 0\n");
    check(0, 0);
}

static void version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a.slice/b\n");
    put("/sys/fs/cgroup/a.slice/b/cpu.max", "400000 100000\n");
    check(400000, 100000);
    put("/sys/fs/cgroup/a.slice/cpu.max", "150000 50000\n"); /* three CPUs: less than four */
    check(150000, 50000);
    put("/sys/fs/cgroup/cpu.max", "500000 100000\n");
    check(150000, 50000);
    put("/proc/self/cgroup", "0::/not/seen/in/here\n"); /* a container */
    check(500000, 100000);
}

static void version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "3:cpuset:/x\n2:cpuacct,cpu:/job\n1:cpuacct:/y\n0::/z\n");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    check(0, 0);
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "25000\n");
    check(25000, 100000);
    put("/sys/fs/cgroup/z/cpu.max", "24999 100000\n");
    check(24999, 100000);
    put("/proc/self/cgroup", "2:cpuset,cpuacct:/job"); /* another controller, no line's end */
    check(0, 0);
}

static void paths_that_do_not_fit(void **state)
{
    static char line[4096];
    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "0::/", 4);
    put("/proc/self/cgroup", line);
    check(0, 0);
    put("/proc/self/cgroup", "\n:\n::\n0:\n0::\n");
    put("/sys/fs/cgroup/cpu.max", "10000 100000\n");
    check(10000, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_known, begin, end),
        cmocka_unit_test_setup_teardown(version_2, begin, end),
        cmocka_unit_test_setup_teardown(version_1, begin, end),
        cmocka_unit_test_setup_teardown(paths_that_do_not_fit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
