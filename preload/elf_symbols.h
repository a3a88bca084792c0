/* SPDX-License-Identifier: MIT
 * Symbols of loaded objects, read from their hash tables by dl_iterate_phdr: no dlsym, so that it
 * works inside a hook and for a libpython opened RTLD_LOCAL.
 */
#ifndef GS_ELF_SYMBOLS_H
#define GS_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_elf_object {
    uintptr_t base;
    uintptr_t text_lo, text_len; /* its executable segment */
    uintptr_t data_lo, data_len; /* its writable one */
    const char *name;            /* path, "" for the program itself */
    const void *symtab;
    const char *strtab;
    const uint32_t *gnu_hash;
    const uint32_t *sysv_hash; /* looked at where there is no other */
};

/* The first loaded object that defines `symbol`; false when none does. */
bool gs_elf_find_object(const char *symbol, struct gs_elf_object *out);
/* The same among those loaded behind the one that holds `address`, and behind the agent. */
bool gs_elf_find_behind(const void *address, const char *symbol, struct gs_elf_object *out);
bool gs_elf_find_next(const char *symbol, struct gs_elf_object *out);
/* Was the one that holds `address` loaded behind the agent? */
bool gs_elf_is_behind(const void *address);
/* Does one loaded object hold the code at both? */
bool gs_elf_in_one_object(const void *a, const void *b);
/* The loaded object whose writable data holds `address`, also where it has been made read-only
 * since it was loaded; that is then what gs_elf_is_relro() says. */
bool gs_elf_object_of_data(uintptr_t address, struct gs_elf_object *out);
bool gs_elf_is_relro(uintptr_t address);
/* The loaded object whose addresses begin at `base` (a link map's l_addr). */
bool gs_elf_object_at(uintptr_t base, struct gs_elf_object *out);
/* The same while the process starts: no call of libc's, for a sanitizer's wrapper of
 * dl_iterate_phdr() is not ready then. Not while another thread may unload a library. */
bool gs_elf_find_next_early(const char *symbol, struct gs_elf_object *out);
/* Address of a symbol the object defines, or 0. */
uintptr_t gs_elf_symbol(const struct gs_elf_object *o, const char *symbol);
/* `look` at each loaded object, while it returns true; the loader's lock is held meanwhile. */
void gs_elf_each(bool (*look)(const struct gs_elf_object *o, void *arg), void *arg);
/* Does the program itself define or import `symbol`? */
bool gs_elf_program_names(const char *symbol);

#endif
