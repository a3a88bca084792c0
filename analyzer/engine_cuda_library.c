/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/engine_cuda_run.h"
#include "analyzer/whatif/replay.h"

#define NAME "libgilscope_cuda.so"

static const char *const places[] = {
    "",                 /* beside the program */
    "../lib/",          /* build tree */
    "../lib/gilscope/", /* installed */
};

static bool find_library(char out[PATH_MAX])
{
    const char *named = getenv("GILSCOPE_CUDA_ENGINE");
    char self[PATH_MAX];
    if (named && *named)
        return snprintf(out, PATH_MAX, "%s", named) < PATH_MAX && access(out, F_OK) == 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        snprintf(out, PATH_MAX, "%.4000s%s%s", self, places[i], NAME);
        if (access(out, F_OK) == 0)
            return true;
    }
    return false;
}

static enum gs_status open_file(struct gs_cuda_library *l, const char *path, struct gs_error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return gs_error_set(err, GS_ERR_IO, "it cannot be opened: %s: install gilscope anew",
                            dlerror());
    void *table = dlsym(library, GS_CUDA_SYMBOL);
    gs_cuda_engine_fn fn;
    memcpy(&fn, &table, sizeof(fn)); /* ISO C knows no way from data to code */
    l->at = table ? fn() : NULL;
    if (l->at && l->at->abi == GS_CUDA_ABI && l->at->size == sizeof(*l->at) &&
        l->at->replay_version == GS_REPLAY_VERSION)
        return GS_OK;
    l->at = NULL;
    dlclose(library);
    return gs_error_set(err, GS_ERR_VERSION,
                        "%s is of another version than this gilscope: install both anew", path);
}

enum gs_status gs_cuda_library_find(struct gs_error *err)
{
    const char *named = getenv("GILSCOPE_CUDA_ENGINE");
    char path[PATH_MAX];
    if (find_library(path))
        return GS_OK;
    if (named && *named)
        return gs_error_set(err, GS_ERR_IO, "%s is not there: GILSCOPE_CUDA_ENGINE names it",
                            named);
    return gs_error_set(err, GS_ERR_IO,
                        NAME " is not there: build gilscope where there is an nvcc, or name the "
                             "library with GILSCOPE_CUDA_ENGINE");
}

enum gs_status gs_cuda_library_open(struct gs_cuda_library *l, unsigned device,
                                    struct gs_error *err)
{
    char path[PATH_MAX];
    memset(l, 0, sizeof(*l));
    enum gs_status s = gs_cuda_library_find(err);
    if (s == GS_OK && find_library(path))
        s = open_file(l, path, err);
    if (s != GS_OK)
        return s;
    enum gs_cuda_status status = l->at->open(&l->device, device);
    unsigned n_devices = l->n_devices = l->device ? l->at->n_devices(l->device) : 0;
    if (status == GS_CUDA_OK)
        return GS_OK;
    s = gs_cuda_library_error(l, status, err);
    gs_cuda_library_close(l);
    l->n_devices = n_devices;
    return s;
}

/* The library itself stays: the driver's own threads may still be inside. */
void gs_cuda_library_close(struct gs_cuda_library *l)
{
    if (l->at && l->device)
        l->at->close(l->device);
    memset(l, 0, sizeof(*l));
}

enum gs_status gs_cuda_library_error(const struct gs_cuda_library *l, enum gs_cuda_status status,
                                     struct gs_error *err)
{
    static const char *const what_to_do[] = {
        [GS_CUDA_NO_DEVICE] = "does nvidia-smi see a device?",
        [GS_CUDA_NO_MEMORY] = "end what else uses the device",
        [GS_CUDA_LIMIT] = "this recording is for the CPU",
        [GS_CUDA_FAILED] = "what do nvidia-smi and the kernel's log say?",
        [GS_CUDA_INTERNAL] = "please report it",
    };
    const char *why = l->device ? l->at->why(l->device) : "";
    return gs_error_set(err, status == GS_CUDA_NO_MEMORY ? GS_ERR_NOMEM : GS_ERR_IO, "%s: %s",
                        *why ? why : "the device cannot be used", what_to_do[status]);
}
