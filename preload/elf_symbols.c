/* SPDX-License-Identifier: MIT */
#include "preload/elf_symbols.h"

#include <link.h>

#include "preload/text.h"

static uint32_t gnu_hash_of(const char *s)
{
    uint32_t h = 5381;
    while (*s)
        h = h * 33 + (uint8_t)*s++;
    return h;
}

static bool is_it(const struct gs_elf_object *o, uint32_t i, const char *symbol)
{
    const ElfW(Sym) *s = (const ElfW(Sym) *)o->symtab + i;
    return s->st_shndx != SHN_UNDEF && gs_same_text(o->strtab + s->st_name, symbol);
}

/* nbuckets, nchain: one entry a symbol. Looked through: only a musl may have no other table. */
static uintptr_t sysv_symbol(const struct gs_elf_object *o, const char *symbol)
{
    uint32_t n = o->sysv_hash ? o->sysv_hash[1] : 0;
    for (uint32_t i = 0; i < n; i++)
        if (is_it(o, i, symbol))
            return o->base + ((const ElfW(Sym) *)o->symtab)[i].st_value;
    return 0;
}

/* nbuckets, symoffset, bloom_size, bloom_shift, bloom[], buckets[], chain[] */
uintptr_t gs_elf_symbol(const struct gs_elf_object *o, const char *symbol)
{
    if (!o->symtab || !o->strtab)
        return 0;
    if (!o->gnu_hash || !o->gnu_hash[0])
        return sysv_symbol(o, symbol);
    const uint32_t *t = o->gnu_hash, hash = gnu_hash_of(symbol);
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(t + 4);
    const uint32_t *buckets = (const uint32_t *)(bloom + t[2]), *chain = buckets + t[0];
    const ElfW(Sym) *syms = o->symtab;
    uint32_t i = buckets[hash % t[0]];
    if (i < t[1])
        return 0;
    for (;; i++) {
        uint32_t h = chain[i - t[1]];
        if ((h | 1) == (hash | 1) && is_it(o, i, symbol))
            return o->base + syms[i].st_value;
        if (h & 1)
            return 0;
    }
}

static void read_dynamic(struct gs_elf_object *o, const ElfW(Dyn) * d)
{
    for (; d->d_tag != DT_NULL; d++) {
        /* glibc relocates these pointers in place, the vdso and others do not */
        uintptr_t p = d->d_un.d_ptr < o->base ? o->base + d->d_un.d_ptr : d->d_un.d_ptr;
        if (d->d_tag == DT_SYMTAB)
            o->symtab = (const void *)p;
        else if (d->d_tag == DT_STRTAB)
            o->strtab = (const char *)p;
        else if (d->d_tag == DT_GNU_HASH)
            o->gnu_hash = (const uint32_t *)p;
        else if (d->d_tag == DT_HASH)
            o->sysv_hash = (const uint32_t *)p;
    }
}

struct visit {
    bool (*look)(const struct gs_elf_object *o, void *arg);
    void *arg;
};

struct search {
    const char *symbol;
    struct gs_elf_object *out;
    uintptr_t behind; /* an address in the last one that is not looked into, or 0 */
    bool passed;
};

static struct gs_elf_object object_of(const struct dl_phdr_info *info)
{
    struct gs_elf_object o = {.base = info->dlpi_addr, .name = info->dlpi_name};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_DYNAMIC)
            read_dynamic(&o, (const ElfW(Dyn) *)(info->dlpi_addr + p->p_vaddr));
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            o.text_lo = info->dlpi_addr + p->p_vaddr;
            o.text_len = p->p_memsz;
        }
        if (p->p_type == PT_LOAD && (p->p_flags & PF_W)) {
            o.data_lo = info->dlpi_addr + p->p_vaddr;
            o.data_len = p->p_memsz;
        }
    }
    return o;
}

static int look_into(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    struct gs_elf_object o = object_of(info);
    (void)size;
    if (s->behind && !s->passed) {
        s->passed = s->behind - o.text_lo < o.text_len;
        return 0;
    }
    if (!gs_elf_symbol(&o, s->symbol))
        return 0;
    *s->out = o;
    return 1;
}

static int show(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct visit *v = arg;
    struct gs_elf_object o = object_of(info);
    (void)size;
    return !v->look(&o, v->arg);
}

void gs_elf_each(bool (*look)(const struct gs_elf_object *o, void *arg), void *arg)
{
    struct visit v = {look, arg};
    dl_iterate_phdr(show, &v);
}

bool gs_elf_find_object(const char *symbol, struct gs_elf_object *out)
{
    struct search s = {.symbol = symbol, .out = out};
    return dl_iterate_phdr(look_into, &s) == 1;
}

bool gs_elf_find_behind(const void *address, const char *symbol, struct gs_elf_object *out)
{
    struct search s = {.symbol = symbol, .out = out, .behind = (uintptr_t)address};
    return dl_iterate_phdr(look_into, &s) == 1;
}

bool gs_elf_find_next(const char *symbol, struct gs_elf_object *out)
{
    return gs_elf_find_behind((const void *)look_into, symbol, out);
}

static int look_for_place(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    struct gs_elf_object o = object_of(info);
    (void)size;
    if (s->behind - o.text_lo < o.text_len)
        return s->passed ? 1 : -1;
    s->passed |= (uintptr_t)look_into - o.text_lo < o.text_len;
    return 0;
}

bool gs_elf_is_behind(const void *address)
{
    struct search s = {.behind = (uintptr_t)address};
    return dl_iterate_phdr(look_for_place, &s) == 1;
}

static int look_for_both(struct dl_phdr_info *info, size_t size, void *arg)
{
    const uintptr_t *places = arg;
    struct gs_elf_object o = object_of(info);
    (void)size;
    return places[0] - o.text_lo < o.text_len && places[1] - o.text_lo < o.text_len;
}

bool gs_elf_in_one_object(const void *a, const void *b)
{
    uintptr_t places[2] = {(uintptr_t)a, (uintptr_t)b};
    return dl_iterate_phdr(look_for_both, places) == 1;
}

static bool is_in(const struct dl_phdr_info *info, const ElfW(Phdr) * p, uintptr_t address)
{
    return address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz;
}

static int look_for_data(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W) || !is_in(info, p, s->behind))
            continue;
        *s->out = object_of(info);
        return 1;
    }
    return 0;
}

bool gs_elf_object_of_data(uintptr_t address, struct gs_elf_object *out)
{
    struct search s = {.out = out, .behind = address};
    return dl_iterate_phdr(look_for_data, &s) == 1;
}

static int look_for_relro(struct dl_phdr_info *info, size_t size, void *arg)
{
    const uintptr_t *address = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO && is_in(info, &info->dlpi_phdr[i], *address))
            return 1;
    return 0;
}

bool gs_elf_is_relro(uintptr_t address)
{
    return dl_iterate_phdr(look_for_relro, &address) == 1;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct gs_elf_object *out = arg;
    (void)size;
    if (info->dlpi_addr != out->base)
        return 0;
    *out = object_of(info);
    return 1;
}

bool gs_elf_object_at(uintptr_t base, struct gs_elf_object *out)
{
    *out = (struct gs_elf_object){.base = base};
    return dl_iterate_phdr(look_at, out) == 1;
}

extern struct r_debug _r_debug __attribute__((weak)); /* the debugger's list, of glibc's loader */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

bool gs_elf_find_next_early(const char *symbol, struct gs_elf_object *out)
{
    if (!&_r_debug)
        return gs_elf_find_next(symbol, out);
    bool passed_us = false;
    for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next) {
        struct gs_elf_object o = {.base = m->l_addr, .name = m->l_name};
        if (passed_us)
            read_dynamic(&o, m->l_ld);
        if (passed_us && gs_elf_symbol(&o, symbol)) {
            *out = o;
            return true;
        }
        passed_us |= m->l_ld == _DYNAMIC;
    }
    return false;
}

/* What an object imports stands in front of what its hash table knows. */
static bool imports(const struct gs_elf_object *o, const char *symbol)
{
    const ElfW(Sym) *syms = o->symtab;
    uint32_t n = o->gnu_hash && syms && o->strtab ? o->gnu_hash[1] : 0;
    for (uint32_t i = 1; i < n; i++)
        if (gs_same_text(o->strtab + syms[i].st_name, symbol))
            return true;
    return false;
}

/* The program is the first that is shown. */
static int look_into_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *symbol = arg;
    struct gs_elf_object o = object_of(info);
    (void)size;
    return gs_elf_symbol(&o, symbol) || imports(&o, symbol) ? 1 : -1;
}

bool gs_elf_program_names(const char *symbol)
{
    return dl_iterate_phdr(look_into_program, (void *)symbol) == 1;
}
