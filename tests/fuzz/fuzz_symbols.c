/* SPDX-License-Identifier: MIT
 * The files that native stacks are named by may be anybody's. Input: what claims to be an ELF file
 * with debugging information.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analyzer/symbols/dwarf_places.h"
#include "analyzer/symbols/elf_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(struct gs_dwarf *d, uint64_t address)
{
    struct gs_dwarf_frame frames[8];
    size_t n = gs_dwarf_at(d, address, frames, 8);
    if (n > 8)
        __builtin_trap();
    for (size_t i = 0; i < n; i++)
        if (!frames[i].function)
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    struct gs_elf_names names;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    gs_elf_names_read(&names, path, NULL, 0);
    struct gs_dwarf *d = gs_dwarf_open(path);
    for (size_t i = 0; d && i < names.n && i < 16; i++) {
        look_at(d, names.functions[i].start);
        look_at(d, names.functions[i].start + names.functions[i].size / 2);
    }
    if (d) {
        look_at(d, UINT64_MAX);
        gs_dwarf_add_names(d, &names);
        gs_dwarf_close(d);
    }
    gs_elf_names_free(&names);
    close(fd);
    return 0;
}
