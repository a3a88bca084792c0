/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/demangle.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#ifdef GS_HAVE_LIBIBERTY
#include <libiberty/demangle.h>
#include <setjmp.h>
#endif

#define MAX_BYTES  4096u /* of a mangled name: longer ones may take very long */
#define RUST_BYTES 8192u /* of a name made of one */
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

static char *of_cxx(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int status;
    pthread_once(&once, find);
    char *plain = demangle ? demangle(name, NULL, NULL, &status) : NULL;
    if (!plain)
        return NULL;
    char *out = gs_xstrndup(plain, strlen(plain));
    free(plain);
    cut_hash(out);
    return out;
}

#ifdef GS_HAVE_LIBIBERTY
struct rust_text {
    char s[RUST_BYTES];
    size_t n;
    jmp_buf too_long;
};

/* What refers to itself in turns doubles each time, and nothing else would end it. */
static void take(const char *s, size_t n, void *opaque)
{
    struct rust_text *t = opaque;
    if (n > sizeof(t->s) - t->n)
        longjmp(t->too_long, 1);
    memcpy(t->s + t->n, s, n);
    t->n += n;
}

static char *of_rust(const char *name)
{
    struct rust_text t;
    t.n = 0;
    if (setjmp(t.too_long) != 0 || !rust_demangle_callback(name, 0, take, &t))
        return NULL;
    return gs_xstrndup(t.s, t.n);
}
#else
static char *of_rust(const char *name)
{
    (void)name;
    return NULL;
}
#endif

char *gs_demangle(const char *name)
{
    size_t n = strlen(name);
    char *plain = NULL;
    if (strncmp(name, "_Z", 2) == 0 && n <= MAX_BYTES)
        plain = of_cxx(name);
    else if (strncmp(name, "_R", 2) == 0 && n <= MAX_BYTES)
        plain = of_rust(name);
    return plain ? plain : gs_xstrndup(name, n);
}
