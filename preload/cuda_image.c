/* SPDX-License-Identifier: MIT */
#include "preload/cuda_image.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>

#include "preload/pyabi/pyabi.h"
#include "preload/raw_sys.h"

#define WRAPPER_MAGIC 0x466243b1u /* {magic, version, data, ...} around a fat binary */
#define FAT_MAGIC     0xba55ed50u
#define MAX_PTX_BYTES (64u << 20)
#define PAGE_BYTES    4096u

struct fat_wrapper {
    uint32_t magic, version;
    uintptr_t data;
};

struct fat_header {
    uint32_t magic;
    uint16_t version, header_bytes;
    uint64_t body_bytes;
};

static uint64_t fat_bytes(uintptr_t at)
{
    struct fat_header h;
    return gs_safe_read(&h, at, sizeof(h)) && h.magic == FAT_MAGIC ? h.header_bytes + h.body_bytes
                                                                   : 0;
}

/* Its section headers stand at the end. */
static uint64_t elf_bytes(uintptr_t at)
{
    Elf64_Ehdr h;
    return gs_safe_read(&h, at, sizeof(h)) ? h.e_shoff + (uint64_t)h.e_shentsize * h.e_shnum : 0;
}

/* Page by page: a string may end just before what cannot be read. */
static uint64_t text_bytes(uintptr_t at)
{
    char page[512];
    uint64_t n = 0;
    while (n < MAX_PTX_BYTES) {
        size_t left = PAGE_BYTES - (at + n) % PAGE_BYTES;
        size_t take = left < sizeof(page) ? left : sizeof(page);
        if (!gs_safe_read(page, at + n, take))
            return 0;
        size_t len = strnlen(page, take);
        n += len;
        if (len < take)
            return n;
    }
    return 0;
}

uint64_t gs_cuda_image_bytes(const void *image)
{
    uintptr_t at = (uintptr_t)image;
    struct fat_wrapper w;
    if (!at || !gs_safe_read(&w, at, sizeof(w)))
        return 0;
    if (w.magic == WRAPPER_MAGIC)
        return fat_bytes(w.data);
    if (w.magic == FAT_MAGIC)
        return fat_bytes(at);
    if (!memcmp(&w.magic, ELFMAG, SELFMAG))
        return elf_bytes(at);
    return text_bytes(at);
}

uint64_t gs_cuda_file_bytes(const char *path)
{
    struct stat st;
    return path && gs_sys2(SYS_stat, path, &st) == 0 ? (uint64_t)st.st_size : 0;
}
