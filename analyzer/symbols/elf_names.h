/* SPDX-License-Identifier: MIT
 * Functions of an ELF file by its symbol tables (.symtab, .dynsym).
 */
#ifndef GS_ELF_NAMES_H
#define GS_ELF_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_elf_names {
    struct gs_elf_function {
        uint64_t start, size;
        char *name;
    } * functions; /* by start, each start once */
    size_t n, cap;
    bool has_symtab; /* it was not stripped */
};

/* Empty where the file cannot be read, is damaged, or is of another build (no build id: any). */
void gs_elf_names_read(struct gs_elf_names *e, const char *path, const uint8_t *build_id,
                       size_t build_id_len);
const char *gs_elf_names_at(const struct gs_elf_names *e, uint64_t address); /* NULL: none */
/* More of them, from elsewhere; sorted when all are there. */
void gs_elf_names_add(struct gs_elf_names *e, uint64_t start, uint64_t size, const char *name);
void gs_elf_names_sort(struct gs_elf_names *e);
void gs_elf_names_free(struct gs_elf_names *e);

#endif
