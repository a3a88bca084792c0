/* SPDX-License-Identifier: MIT
 * For tests/bench/dlsym: what CPU time N calls of dlsym() take, in ns: dlsym N HOW.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    const char *how = argc > 2 ? argv[2] : "libc";
    void *libc = dlopen("libc.so.6", RTLD_NOW), *handle = libc;
    const char *name = "getppid";
    if (!strcmp(how, "default"))
        handle = RTLD_DEFAULT;
    if (!strcmp(how, "cu")) /* begins as the driver's do, and is not */
        name = "curl_easy_init";
    double t0 = now_ns();
    for (long i = 0; i < n; i++)
        dlsym(handle, name);
    printf("%.0f\n", now_ns() - t0);
    return 0;
}
