/* SPDX-License-Identifier: MIT
 * Wrappers for methods of locks, without Python: types, modules and method tables made of the words
 * that CPython has, and every way in which they may not be as expected. Each case in a process of
 * its own, since what is in place stays.
 * LINK: gs_agent_objects
 */
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/elf_symbols.h"
#include "preload/gil.h"
#include "preload/lock_calls.h"
#include "preload/lock_types.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/thread_state.h"

enum {
    NOARGS = 4,
    O = 8,
    VARARGS = 1,
    KEYWORDS = 2,
    FASTCALL = 0x80,
    METHOD = 0x200,
    CLASS = 0x10
};
enum { FAILED = 9, WORDS = 40, FALSE_OBJECT = 0xfa15e, TRUE_OBJECT = 0x74e };

/* ---- the methods ---- */

static uintptr_t seen[5], answer;

static uintptr_t two(uintptr_t a, uintptr_t b)
{
    memcpy(seen, (uintptr_t[]){a, b, 0, 0, 0}, sizeof(seen));
    return answer;
}

static uintptr_t three(uintptr_t a, uintptr_t b, uintptr_t c)
{
    memcpy(seen, (uintptr_t[]){a, b, c, 0, 0}, sizeof(seen));
    return answer;
}

static uintptr_t four(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
    memcpy(seen, (uintptr_t[]){a, b, c, d, 0}, sizeof(seen));
    return answer;
}

static uintptr_t five(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)
{
    memcpy(seen, (uintptr_t[]){a, b, c, d, e}, sizeof(seen));
    return answer;
}

#define METHOD_OF(name, function, flags)                                                           \
    {                                                                                              \
        name, (uintptr_t)(function), flags, NULL                                                   \
    }

static struct gs_py_method lock_methods[] = {
    METHOD_OF("acquire", three, VARARGS | KEYWORDS),
    METHOD_OF("locked", two, NOARGS),
    METHOD_OF("__enter__", two, NOARGS),
    METHOD_OF("release", two, VARARGS),
    METHOD_OF("__exit__", three, FASTCALL),
    {NULL, 0, 0, NULL},
};
static struct gs_py_method rlock_methods[] = {
    METHOD_OF("acquire", four, FASTCALL | KEYWORDS),
    METHOD_OF("release", two, NOARGS),
    METHOD_OF("_acquire_restore", two, O),
    METHOD_OF("_release_save", two, NOARGS),
    METHOD_OF("__enter__", three, VARARGS | KEYWORDS),
    METHOD_OF("__exit__", two, VARARGS),
    {NULL, 0, 0, NULL},
};
/* With its pointers this lies in a page that the loader makes read-only. */
static const struct gs_py_method queue_methods[] = {
    METHOD_OF("put", four, FASTCALL | KEYWORDS),
    METHOD_OF("put_nowait", four, FASTCALL | KEYWORDS),
    METHOD_OF("get", five, METHOD | FASTCALL | KEYWORDS),
    METHOD_OF("get_nowait", two, NOARGS),
    {NULL, 0, 0, NULL},
};

/* Not known to the compiler: it would not look what has become of it. */
static const struct gs_py_method *volatile queue_table = queue_methods;

/* ---- the interpreter ---- */

static uintptr_t type_type[WORDS], lock_type[WORDS], rlock_type[WORDS], queue_type[WORDS];
static int modules, thread_module, queue_module, errors_cleared;
static bool queue_is_loaded, module_has_no_dict;

static void *get_modules(void)
{
    return &modules;
}

static void *item(void *dict, const char *key)
{
    if (dict == &modules && !strcmp(key, "_thread"))
        return &thread_module;
    if (dict == &modules && !strcmp(key, "_queue"))
        return queue_is_loaded ? &queue_module : NULL;
    if (dict == &thread_module)
        return !strcmp(key, "LockType") ? lock_type : !strcmp(key, "RLock") ? rlock_type : NULL;
    return dict == &queue_module && !strcmp(key, "SimpleQueue") ? queue_type : NULL;
}

static void *dict_of(void *module)
{
    return module_has_no_dict ? NULL : module;
}

static void clear_error(void)
{
    errors_cleared++;
}

static void make_type(uintptr_t *type, const char *name, const struct gs_py_method *methods)
{
    type[1] = (uintptr_t)type_type;
    type[3] = (uintptr_t)name;
    type[29] = (uintptr_t)methods;
}

static void begin(void)
{
    static char names[] = "\0_Py_FalseStruct\0PyImport_GetModuleDict\0PyDict_GetItemString\0"
                          "PyModule_GetDict\0PyErr_Clear\0PyType_Type";
    const uintptr_t values[] = {FALSE_OBJECT,       (uintptr_t)get_modules, (uintptr_t)item,
                                (uintptr_t)dict_of, (uintptr_t)clear_error, (uintptr_t)type_type};
    static ElfW(Sym) symbols[7];
    static const uint32_t hash[2] = {1, 7};
    size_t at = 1;
    for (size_t i = 1; i < 7; i++, at += strlen(names + at) + 1) {
        symbols[i].st_name = (ElfW(Word))at;
        symbols[i].st_shndx = 1;
        symbols[i].st_value = values[i - 1];
    }
    struct gs_elf_object python = {.symtab = symbols, .strtab = names, .sysv_hash = hash};
    make_type(lock_type, "_thread.lock", lock_methods);
    make_type(rlock_type, "_thread.RLock", rlock_methods);
    make_type(queue_type, "_queue.SimpleQueue", queue_methods);
    static struct gs_gil gil;
    gs_self = gs_map(sizeof(*gs_self));
    gs_self->gil = &gil;
    gs_self->ring.tail = gs_self->ring.head = 0;
    gs_clock_init();
    gs_live.mode = GS_LIVE_YES;
    gs_agent.locks = true;
    assert_true(gs_lock_api_find(&python));
    python.sysv_hash = (const uint32_t[]){1, 6}; /* the last symbol is missing */
    assert_false(gs_lock_api_find(&python));
    python.sysv_hash = hash;
    assert_true(gs_lock_api_find(&python));
}

static int end_of(void (*story)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (!pid) {
        begin();
        story();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

/* cmocka's assertions would jump into the parent's copy. */
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            _exit(FAILED);                                                                         \
        }                                                                                          \
    } while (0)

/* ---- calls ---- */

static struct gs_slot last_row(void)
{
    return gs_self->ring.slots[(gs_self->ring.head - 1) % GS_RING_SLOTS];
}

/* How many rows a call makes, 0 or 1. */
static uint32_t rows_of(const struct gs_py_method *m, uintptr_t result)
{
    uint32_t before = gs_self->ring.head;
    uintptr_t got = 0, want[5] = {11, 12, 13, 14, 15};
    int n = 2;
    answer = result;
    memset(seen, 0, sizeof(seen));
    errno = 77;
    switch (m->flags) {
    case VARARGS | KEYWORDS:
    case FASTCALL:
        got = ((uintptr_t(*)(uintptr_t, uintptr_t, uintptr_t))m->function)(11, 12, 13);
        n = 3;
        break;
    case FASTCALL | KEYWORDS:
        got =
            ((uintptr_t(*)(uintptr_t, uintptr_t, uintptr_t, uintptr_t))m->function)(11, 12, 13, 14);
        n = 4;
        break;
    case METHOD | FASTCALL | KEYWORDS:
        got = ((uintptr_t(*)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t))m->function)(
            11, 12, 13, 14, 15);
        n = 5;
        break;
    default:
        got = ((uintptr_t(*)(uintptr_t, uintptr_t))m->function)(11, 12);
    }
    CHECK(errno == 77 && got == result && !memcmp(seen, want, (size_t)n * sizeof(*want)));
    return gs_self->ring.head - before;
}

static void check_calls(const struct gs_py_method *table)
{
    for (const struct gs_py_method *m = table; m->name; m++) {
        bool ours = strcmp(m->name, "locked") != 0, gets = !strncmp(m->name, "get", 3);
        gs_agent.locks = true;
        CHECK(rows_of(m, TRUE_OBJECT) == ours);
        CHECK(rows_of(m, FALSE_OBJECT) == ours);
        CHECK(rows_of(m, 0) == gets); /* an exception; of a get: nothing was there */
        gs_live.mode = GS_LIVE_NO;
        CHECK(rows_of(m, TRUE_OBJECT) == 0);
        gs_live.mode = GS_LIVE_YES;
        gs_agent.locks = false;
        CHECK(rows_of(m, TRUE_OBJECT) == 0);
    }
}

static void check_row(const struct gs_py_method *m, uintptr_t result, enum gs_sync_op op,
                      bool is_time, uint64_t value)
{
    CHECK(rows_of(m, result) == 1);
    struct gs_slot s = last_row();
    CHECK(s.kind == GS_SLOT_SYNC && s.flags == op && s.a == 11 && s.seq == 0);
    CHECK(is_time ? s.dur > 0 && s.dur < gs_clock.hz : s.dur == value);
}

static void check_rows(void)
{
    check_row(&lock_methods[0], TRUE_OBJECT, GS_SYNC_ACQUIRED, true, 0);
    check_row(&lock_methods[0], FALSE_OBJECT, GS_SYNC_REFUSED, true, 0);
    check_row(&lock_methods[3], TRUE_OBJECT, GS_SYNC_RELEASED, false, 0);
    check_row(&rlock_methods[3], TRUE_OBJECT, GS_SYNC_RELEASED, false, 1);
    check_row(&rlock_methods[2], TRUE_OBJECT, GS_SYNC_ACQUIRED, true, 0);
    check_row(&queue_table[0], TRUE_OBJECT, GS_SYNC_PUT, false, 0);
    check_row(&queue_table[2], FALSE_OBJECT, GS_SYNC_GOT, true, 0); /* False is an item, too */
    check_row(&queue_table[3], 0, GS_SYNC_REFUSED, true, 0);
}

static void all_is_as_expected(void)
{
    gs_lock_types_hook();
    CHECK(gs_lock_types_done() == (GS_SYNC_LOCK | GS_SYNC_RLOCK)); /* _queue is not loaded */
    queue_is_loaded = true;
    gs_lock_types_hook();
    CHECK(gs_lock_types_done() == GS_SYNC_ALL);
    check_rows();
    for (uint32_t type = 1; type <= GS_SYNC_SIMPLE_QUEUE; type *= 2)
        CHECK(!gs_lock_types_finding(type).why_not && gs_lock_types_finding(type).t);
    CHECK(lock_methods[0].function != (uintptr_t)three &&
          lock_methods[1].function == (uintptr_t)two);
    check_calls(lock_methods);
    check_calls(rlock_methods);
    check_calls(queue_table);
    uintptr_t once = lock_methods[0].function;
    gs_lock_types_hook();
    CHECK(lock_methods[0].function == once);
}

static void modules_that_are_none(void)
{
    module_has_no_dict = true;
    gs_lock_types_hook();
    CHECK(gs_lock_types_done() == 0 && errors_cleared == 2);
    module_has_no_dict = false;
    gs_lock_types_hook();
    CHECK(gs_lock_types_done() == (GS_SYNC_LOCK | GS_SYNC_RLOCK));
}

static bool is_untouched(const struct gs_py_method *table)
{
    for (; table->name; table++)
        if (table->function != (uintptr_t)two && table->function != (uintptr_t)three &&
            table->function != (uintptr_t)four && table->function != (uintptr_t)five &&
            table->function != (uintptr_t)getenv)
            return false;
    return true;
}

/* The lock's type is refused, and the other is not. */
static void check_refused(void)
{
    gs_lock_types_hook();
    CHECK(gs_lock_types_done() == (GS_SYNC_LOCK | GS_SYNC_RLOCK));
    CHECK(gs_lock_types_finding(GS_SYNC_LOCK).why_not && is_untouched(lock_methods));
    CHECK(!gs_lock_types_finding(GS_SYNC_RLOCK).why_not && !is_untouched(rlock_methods));
}

static void another_convention(void)
{
    lock_methods[4].flags = FASTCALL | METHOD;
    check_refused();
}

static void a_class_method(void)
{
    lock_methods[4].flags |= CLASS;
    check_refused();
}

static void a_function_of_another_library(void)
{
    lock_methods[3].function = (uintptr_t)getenv;
    check_refused();
}

static void a_method_is_missing(void)
{
    lock_methods[3].name = "let_go";
    check_refused();
}

static void a_table_on_the_heap(void)
{
    struct gs_py_method *table = malloc(sizeof(lock_methods));
    CHECK(table);
    memcpy(table, lock_methods, sizeof(lock_methods));
    lock_type[29] = (uintptr_t)table;
    check_refused();
    CHECK(is_untouched(table));
}

static void no_table(void)
{
    lock_type[29] = 0;
    check_refused();
}

static void another_type(void)
{
    lock_type[3] = (uintptr_t) "gevent.Lock";
    check_refused();
}

static void no_type(void)
{
    lock_type[1] = (uintptr_t)lock_type;
    check_refused();
}

#define STORY(name)                                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(end_of(name), 0);                                                         \
    }
STORY(all_is_as_expected)
STORY(modules_that_are_none)
STORY(another_convention)
STORY(a_class_method)
STORY(a_function_of_another_library)
STORY(a_method_is_missing)
STORY(a_table_on_the_heap)
STORY(no_table)
STORY(another_type)
STORY(no_type)

static void write_to_the_queues_table(void)
{
    signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
    queue_is_loaded = true;
    gs_lock_types_hook();
    CHECK(!gs_lock_types_finding(GS_SYNC_SIMPLE_QUEUE).why_not && !is_untouched(queue_table));
    *(volatile uintptr_t *)(uintptr_t)&queue_table->function = 0;
}

static void what_was_read_only_is_again(void **state)
{
    int status = end_of(write_to_the_queues_table);
    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void data_of_objects(void **state)
{
    struct gs_elf_object o;
    (void)state;
    assert_true(gs_elf_object_of_data((uintptr_t)lock_methods, &o));
    assert_true((uintptr_t)two - o.text_lo < o.text_len);
    assert_false(gs_elf_is_relro((uintptr_t)lock_methods));
    assert_true(gs_elf_is_relro((uintptr_t)queue_methods));
    assert_false(gs_elf_object_of_data((uintptr_t)two, &o));
    assert_false(gs_elf_object_of_data((uintptr_t)&o, &o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_as_expected),
        cmocka_unit_test(test_modules_that_are_none),
        cmocka_unit_test(test_another_convention),
        cmocka_unit_test(test_a_class_method),
        cmocka_unit_test(test_a_function_of_another_library),
        cmocka_unit_test(test_a_method_is_missing),
        cmocka_unit_test(test_a_table_on_the_heap),
        cmocka_unit_test(test_no_table),
        cmocka_unit_test(test_another_type),
        cmocka_unit_test(test_no_type),
        cmocka_unit_test(what_was_read_only_is_again),
        cmocka_unit_test(data_of_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
