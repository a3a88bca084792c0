/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/demangle.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define MAX_BYTES  4096u /* of a mangled name: longer ones may take very long */
#define HASH_BYTES 19u   /* "::h" and 16 digits: what Rust adds to tell versions apart */

typedef char *cxa_demangle(const char *name, char *buf, size_t *n, int *status);
static cxa_demangle *demangle;

/* The C++ library's own, where there is one: a program of C need not be linked with it. */
static void find(void)
{
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
    if (library)
        demangle = (cxa_demangle *)dlsym(library, "__cxa_demangle");
}

static void cut_hash(char *name)
{
    size_t n = strlen(name);
    char *hash = n > HASH_BYTES ? name + n - HASH_BYTES : NULL;
    if (hash && strncmp(hash, "::h", 3) == 0 && strspn(hash + 3, "0123456789abcdef") == 16)
        *hash = '\0';
}

char *gs_demangle(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int status;
    size_t n = strlen(name);
    if (strncmp(name, "_Z", 2) != 0 || n > MAX_BYTES)
        return gs_xstrndup(name, n);
    pthread_once(&once, find);
    char *plain = demangle ? demangle(name, NULL, NULL, &status) : NULL;
    if (!plain)
        return gs_xstrndup(name, n);
    char *out = gs_xstrndup(plain, strlen(plain));
    free(plain);
    cut_hash(out);
    return out;
}
