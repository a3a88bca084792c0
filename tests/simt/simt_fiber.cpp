/* SPDX-License-Identifier: MIT */
#include "tests/simt/simt_fiber.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define IF_ASAN(...) __VA_ARGS__
#else
#define IF_ASAN(...)
#endif

namespace gs
{
namespace simt
{
namespace
{
const size_t STACK_BYTES = 256u << 10, GUARD_BYTES = 4096;
ucontext_t host;
IF_ASAN(const void *host_stack; size_t host_stack_bytes; void *host_shadow;)

[[noreturn]] void die(const char *what)
{
    perror(what);
    abort();
}
} // namespace

fiber::fiber() : shadow(nullptr)
{
    void *p = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, GUARD_BYTES, PROT_NONE))
        die("stack of an emulated thread");
    stack = static_cast<char *>(p);
}

fiber::~fiber()
{
    munmap(stack, STACK_BYTES);
}

void fiber::start(void (*entry)())
{
    if (getcontext(&at))
        die("getcontext");
    at.uc_stack.ss_sp = stack + GUARD_BYTES;
    at.uc_stack.ss_size = STACK_BYTES - GUARD_BYTES;
    at.uc_link = nullptr;
    shadow = nullptr;
    IF_ASAN(__asan_unpoison_memory_region(stack + GUARD_BYTES, STACK_BYTES - GUARD_BYTES);)
    makecontext(&at, entry, 0);
}

void fiber::enter()
{
    IF_ASAN(__sanitizer_start_switch_fiber(&host_shadow, stack + GUARD_BYTES,
                                           STACK_BYTES - GUARD_BYTES);)
    if (swapcontext(&host, &at))
        die("swapcontext");
    IF_ASAN(__sanitizer_finish_switch_fiber(host_shadow, nullptr, nullptr);)
}

void fiber::leave(bool for_good)
{
    (void)for_good;
    IF_ASAN(
        __sanitizer_start_switch_fiber(for_good ? nullptr : &shadow, host_stack, host_stack_bytes);)
    if (swapcontext(&at, &host))
        die("swapcontext");
    entered(this);
}

void fiber::entered(fiber *f)
{
    (void)f;
    IF_ASAN(__sanitizer_finish_switch_fiber(f->shadow, &host_stack, &host_stack_bytes);)
}
} // namespace simt
} // namespace gs
