/* SPDX-License-Identifier: MIT
 * The first k of n: the same as sorting all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/top.h"

struct item {
    uint32_t weight, id;
};

static int heaviest_first(const void *pa, const void *pb)
{
    const struct item *a = pa, *b = pb;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void check(const struct item *items, size_t n, size_t k)
{
    struct gs_top top;
    struct item *all = malloc((n + 1) * sizeof(*all));
    memcpy(all, items, n * sizeof(*all));
    qsort(all, n, sizeof(*all), heaviest_first);
    gs_top_open(&top, k, sizeof(*items), heaviest_first);
    for (size_t i = 0; i < n; i++)
        gs_top_offer(&top, &items[i]);
    gs_top_finish(&top);
    assert_int_equal(top.n, n < k ? n : k);
    assert_memory_equal(top.at, all, top.n * sizeof(*all));
    free(top.at);
    free(all);
}

enum order { ASCENDING, DESCENDING, SHUFFLED, EQUAL, N_ORDERS };

static uint32_t weight(enum order order, uint32_t i)
{
    return order == ASCENDING    ? i
           : order == DESCENDING ? 1000 - i
           : order == EQUAL      ? 7
                                 : i * 7919 % 503;
}

static void the_first_are_those_of_a_sort(void **state)
{
    (void)state;
    struct item items[1000];
    for (int order = 0; order < N_ORDERS; order++) {
        for (uint32_t i = 0; i < 1000; i++)
            items[i] = (struct item){weight((enum order)order, i), i * 37 % 1000};
        for (size_t n = 0; n <= 45; n++)
            check(items, n, 10);
        check(items, 1000, 1);
        check(items, 1000, 255);
        check(items, 1000, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_are_those_of_a_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
