/* SPDX-License-Identifier: MIT
 * What dlsym() says, in every way of asking: a line each. An argument is a module to open
 * (dlsym_local.c), which asks, too. With LINKED it is linked to the driver, and calls it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef LINKED
int cuMemAlloc_v2(unsigned long long *p, size_t bytes);
#endif

static const char *const names[] = {"getppid",
                                    "cublasCreate",
                                    "curl_easy_init",
                                    "cu",
                                    "",
                                    "c",
                                    "cuMemAlloc",
                                    "cuMemAlloc_v3",
                                    "cuMemAlloc_v2",
                                    "cuMemFree_v2",
                                    "cuInit",
                                    "cuGetProcAddress_v2",
                                    "cuMemAllocHost"};

static void ask(const char *how, void *handle)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        dlsym(RTLD_DEFAULT, "no such"); /* leaves an error, which what succeeds clears */
        const void *found = dlsym(handle, names[i]);
        const char *error = dlerror();
        const char *text = error ? strstr(error, ": undefined symbol") : NULL;
        printf("%s %s %s%s\n", how, names[i], found ? "found" : "none", text ? text : "");
        if (dlerror())
            printf("told twice\n");
    }
}

int main(int argc, char **argv)
{
    ask("default", RTLD_DEFAULT);
    ask("next", RTLD_NEXT);
    ask("program", dlopen(NULL, RTLD_NOW));
    ask("libc", dlopen("libc.so.6", RTLD_NOW));
    if (argc > 1) {
        void *module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        void (*probe)(void) = module ? (void (*)(void))dlsym(module, "probe") : NULL;
        if (probe)
            probe();
        ask("default", RTLD_DEFAULT); /* what is local to another is not the program's */
        ask("module", module);
    }
#ifdef LINKED
    unsigned long long p = 0;
    printf(" %d\n", cuMemAlloc_v2(&p, 100));
#endif
    printf(" %d\n", getppid() > 0);
    return 0;
}
