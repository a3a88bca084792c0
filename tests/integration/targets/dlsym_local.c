/* SPDX-License-Identifier: MIT
 * An extension module that is linked to the driver and opened RTLD_LOCAL: its RTLD_DEFAULT has the
 * driver in it, its program's has not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int cuMemAlloc_v2(unsigned long long *p, size_t bytes);

void probe(void)
{
    unsigned long long p = 0;
    int (*found)(unsigned long long *, size_t) =
        (int (*)(unsigned long long *, size_t))dlsym(RTLD_DEFAULT, "cuMemAlloc_v2");
    printf("local: %d %d\n", cuMemAlloc_v2(&p, 100), found ? found(&p, 100) : -1);
}
