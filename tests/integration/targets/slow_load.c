/* SPDX-License-Identifier: MIT
 * A library that takes a second to load: meanwhile its loader holds the dynamic linker's lock.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void load_slowly(void)
{
    if (getenv("SLOW_LOAD"))
        usleep(1000000);
}

static void *load(void *path)
{
    dlopen(path, RTLD_NOW);
    return NULL;
}

/* Loads `path` in a thread of its own, which never meets the GIL. */
void load_in_background(char *path)
{
    pthread_t t;
    setenv("SLOW_LOAD", "1", 1);
    if (pthread_create(&t, NULL, load, path) == 0)
        pthread_detach(t);
}
