/* SPDX-License-Identifier: MIT
 * Looking up the real functions, on a libc that lacks some of them.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/dlsym_entry.h"
#include "preload/hooks_real.h"

static int lookups;

static void *find_nothing(void *handle, const char *name)
{
    (void)handle;
    (void)name;
    lookups++;
    return NULL;
}

/* Before the agent's own constructor. */
__attribute__((constructor(101))) static void stand_before_libc(void)
{
    gs_real_dlsym = find_nothing;
}

static void test_a_missing_function_is_looked_up_once(void **state)
{
    (void)state;
    gs_hooks_resolve(); /* the constructor did already */
    assert_true(lookups > 0);
    assert_null(gs_real_execveat);
    int before = lookups;
    gs_hooks_resolve();
    assert_int_equal(lookups, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_missing_function_is_looked_up_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
