/* SPDX-License-Identifier: MIT
 * A program that uses the driver if it is there, by a weak reference, where it is not.
 */
#include <stddef.h>
#include <stdio.h>

int cuInit(unsigned flags) __attribute__((weak));
int cuMemAlloc_v2(unsigned long long *p, size_t bytes) __attribute__((weak));

int main(void)
{
    unsigned long long p = 7;
    int code = cuMemAlloc_v2 ? cuMemAlloc_v2(&p, 100) : -1;
    printf("%s %s %llu\n", cuInit ? "driver" : "none", code ? "refused" : "success", p);
    return 0;
}
