/* SPDX-License-Identifier: MIT */
#include "preload/lock_types.h"

#include <stddef.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/elf_symbols.h"
#include "preload/lock_calls.h"
#include "preload/raw_sys.h"
#include "preload/text.h"

/* PyObject and PyTypeObject, the same in all versions with a GIL. */
#define OB_TYPE     8
#define TP_NAME     24
#define TP_METHODS  232
#define MAX_METHODS 64 /* the longest of these tables has 10 */

/* No reference is owned anywhere: what is asked for lives in sys.modules while we hold the GIL. */
static struct {
    void *(*modules)(void);                     /* PyImport_GetModuleDict */
    void *(*item)(void *dict, const char *key); /* PyDict_GetItemString */
    void *(*dict_of)(void *module);             /* PyModule_GetDict */
    void (*clear_error)(void);                  /* PyErr_Clear */
    uintptr_t type_type;                        /* PyType_Type */
} api;

static struct lock_type {
    enum gs_sync_type type;
    const char *module, *attribute, *name;
    unsigned n_least; /* methods of ours it must have: all versions do */
    struct gs_lock_finding finding;
} types[] = {
    {GS_SYNC_LOCK, "_thread", "LockType", "_thread.lock", 4, {0}},
    {GS_SYNC_RLOCK, "_thread", "RLock", "_thread.RLock", 6, {0}},
    {GS_SYNC_SIMPLE_QUEUE, "_queue", "SimpleQueue", "_queue.SimpleQueue", 4, {0}},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static uint32_t done; /* enum gs_sync_type */

bool gs_lock_api_find(const struct gs_elf_object *python)
{
    uintptr_t none = gs_elf_symbol(python, "_Py_FalseStruct");
    api.modules = (void *(*)(void))gs_elf_symbol(python, "PyImport_GetModuleDict");
    api.item = (void *(*)(void *, const char *))gs_elf_symbol(python, "PyDict_GetItemString");
    api.dict_of = (void *(*)(void *))gs_elf_symbol(python, "PyModule_GetDict");
    api.clear_error = (void (*)(void))gs_elf_symbol(python, "PyErr_Clear");
    api.type_type = gs_elf_symbol(python, "PyType_Type");
    gs_lock_calls_init(none);
    return none && api.modules && api.item && api.dict_of && api.clear_error && api.type_type;
}

/* ---- a method table ---- */

/* What it stands for lies in the code of the object that the table is in. */
static bool is_as_expected(const struct gs_py_method *m, uintptr_t wrapper)
{
    struct gs_elf_object o;
    return wrapper != GS_LOCK_UNKNOWN && gs_elf_object_of_data((uintptr_t)m, &o) &&
           m->function - o.text_lo < o.text_len;
}

/* NULL: all of ours that are in it can be replaced. */
static const char *check_table(const struct lock_type *t, const struct gs_py_method *table)
{
    unsigned n = 0, i = 0;
    for (; i < MAX_METHODS && table[i].name; i++) {
        uintptr_t wrapper = gs_lock_wrapper(t->type, &table[i]);
        if (wrapper && !is_as_expected(&table[i], wrapper))
            return "a method of this Python's is not as it should be";
        n += wrapper != 0;
    }
    return i < MAX_METHODS && n >= t->n_least ? NULL : "this Python's methods are others";
}

/* Tables that the loader has made read-only are opened for the moment. Nobody else writes here. */
static bool put(struct gs_py_method *m, uintptr_t wrapper)
{
    uintptr_t page = (uintptr_t)&m->function / GS_PAGE_BYTES * GS_PAGE_BYTES;
    bool read_only = gs_elf_is_relro((uintptr_t)&m->function);
    if (read_only && gs_sys3(SYS_mprotect, page, GS_PAGE_BYTES, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(&m->function, wrapper, __ATOMIC_RELEASE);
    if (read_only)
        gs_sys3(SYS_mprotect, page, GS_PAGE_BYTES, PROT_READ);
    return true;
}

static const char *hook_table(const struct lock_type *t, struct gs_py_method *table)
{
    const char *why = check_table(t, table);
    for (struct gs_py_method *m = table; !why && m->name; m++) {
        uintptr_t wrapper = gs_lock_wrapper(t->type, m);
        if (!wrapper)
            continue;
        gs_lock_original(t->type, m);
        if (!put(m, wrapper))
            why = "the method table cannot be written to";
    }
    return why;
}

/* ---- a type ---- */

static uintptr_t word_at(uintptr_t object, size_t offset)
{
    return *(const uintptr_t *)(object + offset);
}

/* 0: not there (yet). */
static uintptr_t find(const struct lock_type *t)
{
    void *modules = api.modules();
    void *module = modules ? api.item(modules, t->module) : NULL;
    void *dict = module ? api.dict_of(module) : NULL;
    if (module && !dict)
        api.clear_error();
    return dict ? (uintptr_t)api.item(dict, t->attribute) : 0;
}

/* Something may have taken its name (gevent's monkey patching does). */
static const char *hook_type(const struct lock_type *t, uintptr_t type)
{
    if (word_at(type, OB_TYPE) != api.type_type ||
        !gs_same_text((const char *)word_at(type, TP_NAME), t->name))
        return "the program has replaced the type";
    struct gs_py_method *table = (struct gs_py_method *)word_at(type, TP_METHODS);
    return table ? hook_table(t, table) : "the type has no methods of its own";
}

void gs_lock_types_hook(void)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        struct lock_type *t = &types[i];
        uintptr_t type = (gs_lock_types_done() & t->type) ? 0 : find(t);
        if (!type)
            continue;
        t->finding.why_not = hook_type(t, type);
        t->finding.t = gs_now();
        __atomic_fetch_or(&done, t->type, __ATOMIC_RELEASE);
    }
}

uint32_t gs_lock_types_done(void)
{
    return __atomic_load_n(&done, __ATOMIC_ACQUIRE);
}

struct gs_lock_finding gs_lock_types_finding(uint32_t type)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == type)
            return types[i].finding;
    return (struct gs_lock_finding){0};
}
