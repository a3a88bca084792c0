/* SPDX-License-Identifier: MIT */
#undef _FORTIFY_SOURCE /* it forbids jumps to other stacks */
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
point host;
IF_ASAN(const void *host_stack; size_t host_stack_bytes; void *host_shadow;)

[[noreturn]] void die(const char *what)
{
    perror(what);
    abort();
}
} // namespace

fiber::fiber() : entry(nullptr), shadow(nullptr), is_begun(false), is_parked(false)
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

void fiber::start(void (*entry_)())
{
    if (!is_parked) {
        entry = entry_;
        shadow = nullptr;
        is_begun = false;
    }
    is_parked = false;
}

void fiber::make(ucontext_t *fresh)
{
    if (getcontext(fresh))
        die("getcontext");
    fresh->uc_stack.ss_sp = stack + GUARD_BYTES;
    fresh->uc_stack.ss_size = STACK_BYTES - GUARD_BYTES;
    fresh->uc_link = nullptr;
    makecontext(fresh, entry, 0);
    is_begun = true;
}

#if defined(__SANITIZE_ADDRESS__)
void fiber::enter()
{
    if (!is_begun) {
        __asan_unpoison_memory_region(stack + GUARD_BYTES, STACK_BYTES - GUARD_BYTES);
        make(&at);
    }
    __sanitizer_start_switch_fiber(&host_shadow, stack + GUARD_BYTES, STACK_BYTES - GUARD_BYTES);
    if (swapcontext(&host, &at))
        die("swapcontext");
    __sanitizer_finish_switch_fiber(host_shadow, nullptr, nullptr);
}

void fiber::leave(bool parks)
{
    is_parked = parks;
    __sanitizer_start_switch_fiber(&shadow, host_stack, host_stack_bytes);
    if (swapcontext(&at, &host))
        die("swapcontext");
    entered(this);
}
#else
void fiber::enter()
{
    ucontext_t fresh;
    if (_setjmp(host))
        return;
    if (is_begun)
        _longjmp(at, 1);
    make(&fresh);
    setcontext(&fresh);
    die("setcontext");
}

void fiber::leave(bool parks)
{
    is_parked = parks;
    if (_setjmp(at) == 0)
        _longjmp(host, 1);
}
#endif

void fiber::entered(fiber *f)
{
    (void)f;
    IF_ASAN(__sanitizer_finish_switch_fiber(f->shadow, &host_stack, &host_stack_bytes);)
}
} // namespace simt
} // namespace gs
