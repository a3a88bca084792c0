/* SPDX-License-Identifier: MIT
 * Modules, libraries and launches. An image is not looked at; it takes a set size of its device. A
 * library belongs to no context.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static CUresult load(const char *symbol, CUmodule *out, const void *image, const char *path,
                     bool library)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    struct fake_block *b = NULL;
    if (!rc && (!out || (!image && !path)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && path && access(path, R_OK))
        rc = FAKE_FILE_NOT_FOUND;
    if (!rc) {
        fake_sleep(0, fake_setting(FAKE_SET_LOAD_US), false);
        b = fake_block_add((struct fake_block){.kind = FAKE_MODULE,
                                               .bytes = fake_setting(FAKE_SET_MODULE_KB) << 10,
                                               .context = library ? NULL : fake_current(),
                                               .device = fake_current()->device});
        rc = b ? FAKE_OK : FAKE_OUT_OF_MEMORY;
    }
    if (!rc)
        *out = (CUmodule)b->address;
    return FAKE_END("0x%llx %s", (unsigned long long)(b ? b->address : 0), path ? path : "-");
}

CUresult cuModuleLoad(CUmodule *out, const char *path)
{
    return load(__func__, out, NULL, path, false);
}

CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
    return load(__func__, out, image, NULL, false);
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n_options, int *options,
                            void **values)
{
    (void)n_options;
    (void)options;
    (void)values;
    return load(__func__, out, image, NULL, false);
}

CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image)
{
    return load(__func__, out, image, NULL, false);
}

CUresult cuLibraryLoadData(CUmodule *out, const void *image, int *options, void **values,
                           unsigned n_options, int *library_options, void **library_values,
                           unsigned n_library_options)
{
    (void)options;
    (void)values;
    (void)n_options;
    (void)library_options;
    (void)library_values;
    (void)n_library_options;
    return load(__func__, out, image, NULL, true);
}

CUresult cuLibraryLoadFromFile(CUmodule *out, const char *path, int *options, void **values,
                               unsigned n_options, int *library_options, void **library_values,
                               unsigned n_library_options)
{
    (void)options;
    (void)values;
    (void)n_options;
    (void)library_options;
    (void)library_values;
    (void)n_library_options;
    return load(__func__, out, NULL, path, true);
}

static CUresult unload(const char *symbol, CUmodule module)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && fake_free_address((uint64_t)module, 1u << FAKE_MODULE))
        rc = FAKE_INVALID_HANDLE;
    return FAKE_END("%p", module);
}

CUresult cuModuleUnload(CUmodule module)
{
    return unload(__func__, module);
}

CUresult cuLibraryUnload(CUmodule library)
{
    return unload(__func__, library);
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name)
{
    FAKE_BEGIN(QUERY, CONTEXT);
    if (!rc && (!out || !name || !fake_block_at((uint64_t)module)))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        *out = module;
    return FAKE_END("%p %s", module, name ? name : "-");
}

#define MODE_EAGER 1
#define MODE_LAZY  2

CUresult cuModuleGetLoadingMode(int *mode)
{
    FAKE_BEGIN(QUERY, INIT);
    const char *asked = getenv("CUDA_MODULE_LOADING");
    bool lazy_by_default = fake_setting(FAKE_SET_VERSION) >= 12020;
    if (!rc && !mode)
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        *mode = asked ? (strcasecmp(asked, "lazy") ? MODE_EAGER : MODE_LAZY)
                      : (lazy_by_default ? MODE_LAZY : MODE_EAGER);
    return FAKE_END(" ");
}

static CUresult launch(const char *symbol, CUfunction f, CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && (!f || !fake_stream_ok(stream)))
        rc = FAKE_INVALID_HANDLE;
    if (!rc)
        fake_stream_work(stream, fake_setting(FAKE_SET_KERNEL_US));
    return FAKE_END("%p %p", f, (void *)stream);
}

CUresult cuLaunchKernel(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                        CUstream stream, void **params, void **extra)
{
    (void)grid_x, (void)grid_y, (void)grid_z, (void)block_x, (void)block_y, (void)block_z;
    (void)shared, (void)params, (void)extra;
    return launch(__func__, f, stream);
}

CUresult cuLaunchKernel_ptsz(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                             unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                             CUstream stream, void **params, void **extra)
{
    (void)grid_x, (void)grid_y, (void)grid_z, (void)block_x, (void)block_y, (void)block_z;
    (void)shared, (void)params, (void)extra;
    return launch(__func__, f, stream);
}

CUresult cuLaunchKernelEx(const struct fake_launch *config, CUfunction f, void **params,
                          void **extra)
{
    (void)params, (void)extra;
    return launch(__func__, config ? f : NULL, config ? config->stream : NULL);
}

CUresult cuLaunchKernelEx_ptsz(const struct fake_launch *config, CUfunction f, void **params,
                               void **extra)
{
    (void)params, (void)extra;
    return launch(__func__, config ? f : NULL, config ? config->stream : NULL);
}
