/* SPDX-License-Identifier: MIT */
#include "preload/nvml_instance.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#include "preload/elf_symbols.h"
#include "preload/raw_sys.h"

#define FILE_NAME    "/libnvidia-ml.so.1"
#define DRIVER_NAME  "/libcuda.so"
#define MAX_PATH     4096
#define MAX_FILE     (64u << 20)
#define MFD_EXEC_BIT 0x10u /* since Linux 6.3, where memory is else no file to be run */
#define OWN_MACHINE  EM_X86_64

/* glibc only, hence weak: see hooks_real.c. */
extern void *dlopen(const char *, int) __attribute__((weak));

/* ---- the file, as the program's dlopen() would find it ---- */

/* Of the machine's own kind: folders of 32-bit libraries are on many paths. */
static bool is_library(long fd)
{
    ElfW(Ehdr) h;
    return gs_sys4(SYS_pread64, fd, &h, sizeof(h), 0) == sizeof(h) &&
           !memcmp(h.e_ident, ELFMAG, SELFMAG) && h.e_ident[EI_CLASS] == ELFCLASS64 &&
           h.e_machine == OWN_MACHINE && h.e_type == ET_DYN;
}

static long open_library(const char *path)
{
    long fd = gs_open(path, O_RDONLY, 0);
    if (fd >= 0 && !is_library(fd)) {
        gs_close(fd);
        return -ENOEXEC;
    }
    return fd;
}

static long open_in(const char *folder, size_t len)
{
    char path[MAX_PATH];
    if (!len || len > sizeof(path) - sizeof(FILE_NAME))
        return -ENOENT;
    memcpy(path, folder, len);
    memcpy(path + len, FILE_NAME, sizeof(FILE_NAME));
    return open_library(path);
}

struct loaded {
    const char *name;
    char path[MAX_PATH];
};

static int look_for_name(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct loaded *l = arg;
    size_t len = strlen(info->dlpi_name);
    (void)size;
    if (!strstr(info->dlpi_name, l->name) || len >= sizeof(l->path))
        return 0;
    memcpy(l->path, info->dlpi_name, len + 1);
    return 1;
}

/* The one that the program has loaded is the right one; else its neighbour, the driver's library.
 */
static long open_beside_loaded(void)
{
    struct loaded l = {.name = FILE_NAME};
    if (dl_iterate_phdr(look_for_name, &l))
        return open_library(l.path);
    l.name = DRIVER_NAME;
    if (!dl_iterate_phdr(look_for_name, &l))
        return -ENOENT;
    return open_in(l.path, (size_t)(strrchr(l.path, '/') - l.path));
}

static long open_in_list(const char *list)
{
    long fd = -ENOENT;
    while (*list && fd < 0) {
        const char *colon = strchr(list, ':');
        size_t len = colon ? (size_t)(colon - list) : strlen(list);
        fd = open_in(list, len);
        list += colon ? len + 1 : len;
    }
    return fd;
}

/* As the process was started with it, which is what the dynamic linker goes by; and another thread
 * may be inside setenv(). */
static long open_by_environment(void)
{
    static char text[64 << 10];
    static const char name[] = "LD_LIBRARY_PATH=";
    long len = gs_read_file("/proc/self/environ", text, sizeof(text));
    for (const char *p = text; len > 0 && p < text + len; p += strlen(p) + 1)
        if (!strncmp(p, name, sizeof(name) - 1))
            return open_in_list(p + sizeof(name) - 1);
    return -ENOENT;
}

static long find(void)
{
    static const char folders[] =
        "/usr/lib/x86_64-linux-gnu:/usr/lib64:/lib/x86_64-linux-gnu:/lib64:/usr/lib:/lib:"
        "/usr/local/nvidia/lib64:/usr/local/nvidia/lib:/usr/lib/wsl/lib:/run/opengl-driver/lib";
    long fd = open_beside_loaded();
    if (fd < 0)
        fd = open_by_environment();
    return fd < 0 ? open_in_list(folders) : fd;
}

/* ---- the copy ---- */

/* The i-th program header, if all that it is of lies in the file: a page that does not would be
 * SIGBUS in the dynamic linker (a driver that is just being updated). */
static const ElfW(Phdr) * segment(const char *image, size_t bytes, unsigned i)
{
    const ElfW(Ehdr) *h = (const void *)image;
    uint64_t at = h->e_phoff + (uint64_t)i * sizeof(ElfW(Phdr));
    if (at > bytes || bytes - at < sizeof(ElfW(Phdr)))
        return NULL;
    const ElfW(Phdr) *p = (const void *)(image + at);
    return p->p_offset <= bytes && bytes - p->p_offset >= p->p_filesz ? p : NULL;
}

/* Without its name the dynamic linker does not take it for the program's. In the name's place comes
 * "look up your own symbols in yourself first": the program's may be in the global scope. */
static bool rename_copy(char *image, size_t bytes)
{
    unsigned n = ((const ElfW(Ehdr) *)(const void *)image)->e_phnum;
    bool dynamic = false;
    for (unsigned i = 0; i < n; i++) {
        const ElfW(Phdr) *p = segment(image, bytes, i);
        if (!p)
            return false;
        if (p->p_type != PT_DYNAMIC)
            continue;
        ElfW(Dyn) *d = (void *)(image + p->p_offset), *end = d + p->p_filesz / sizeof(*d);
        for (; d < end && d->d_tag != DT_NULL; d++)
            if (d->d_tag == DT_SONAME)
                *d = (ElfW(Dyn)){.d_tag = DT_SYMBOLIC};
        dynamic = true;
    }
    return dynamic;
}

static bool read_all(long fd, char *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        long n = gs_sys4(SYS_pread64, fd, to + done, bytes - done, done);
        if (n <= 0 && n != -EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static const char *fill(long copy, long from)
{
    long bytes = gs_sys3(SYS_lseek, from, 0, SEEK_END);
    if (bytes < (long)sizeof(ElfW(Ehdr)) || bytes > (long)MAX_FILE ||
        gs_sys2(SYS_ftruncate, copy, bytes) < 0)
        return "libnvidia-ml.so.1 cannot be copied to memory";
    char *p = (char *)gs_syscall6(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    if ((unsigned long)p >= -4095ul)
        return "libnvidia-ml.so.1 cannot be copied to memory";
    bool ok = read_all(from, p, (size_t)bytes) && rename_copy(p, (size_t)bytes);
    gs_sys2(SYS_munmap, p, bytes);
    return ok ? NULL : "libnvidia-ml.so.1 cannot be read";
}

static long memory_file(void)
{
    long fd = gs_sys2(SYS_memfd_create, "gilscope-nvml", MFD_CLOEXEC | MFD_EXEC_BIT);
    return fd == -EINVAL ? gs_sys2(SYS_memfd_create, "gilscope-nvml", MFD_CLOEXEC) : fd;
}

/* ---- loading ---- */

/* "/proc/thread-self/fd/./././N": a "./" for each generation. */
static void name_of(char *out, size_t cap, uint32_t generation, long fd)
{
    static const char folder[] = "/proc/thread-self/fd/";
    char digits[20];
    size_t len = sizeof(folder) - 1, n = 0;
    memcpy(out, folder, len);
    for (; generation && len < cap - sizeof(digits) - 3; generation--, len += 2)
        memcpy(out + len, "./", 2);
    do
        digits[n++] = (char)('0' + fd % 10);
    while (fd /= 10);
    while (n)
        out[len++] = digits[--n];
    out[len] = 0;
}

/* The only dlopen() in the agent. In the drain thread it may wait for the program's, and allocate.
 */
__attribute__((noinline)) static const char *load(uint32_t generation, long fd,
                                                  struct gs_elf_object *out)
{
    char path[512];
    name_of(path, sizeof(path), generation, fd);
    const struct link_map *map = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!map)
        return "a copy of libnvidia-ml.so.1 in memory cannot be loaded (is /proc there, and may "
               "memory be executed?)";
    return gs_elf_object_at(map->l_addr, out) ? NULL : "the loaded libnvidia-ml.so.1 is not found";
}

const char *gs_nvml_instance(uint32_t generation, struct gs_elf_object *out)
{
    if (!dlopen)
        return "this C library has no dlopen() to offer";
    long from = find();
    if (from < 0)
        return "there is no libnvidia-ml.so.1 where the dynamic linker looks";
    long copy = memory_file();
    const char *why = copy < 0 ? "the system gives no file in memory (memfd_create)" : NULL;
    if (!why)
        why = fill(copy, from);
    gs_close(from);
    if (!why)
        why = load(generation, copy, out);
    if (copy >= 0)
        gs_close(copy);
    return why;
}
