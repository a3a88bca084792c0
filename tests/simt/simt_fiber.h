/* SPDX-License-Identifier: MIT
 * Fibers: ucontext begins them, jumps switch between them, as swapcontext() asks the kernel for the
 * signal mask each time. Under AddressSanitizer, which loses track of such jumps, it does switch.
 * Stacks are kept for the next block; each has a page without access below it.
 */
#ifndef GS_SIMT_FIBER_H
#define GS_SIMT_FIBER_H

#include <csetjmp>
#include <cstddef>
#include <ucontext.h>

namespace gs
{
namespace simt
{
#if defined(__SANITIZE_ADDRESS__)
typedef ucontext_t point; /* where to go on */
#else
typedef jmp_buf point;
#endif

class fiber
{
    void make(ucontext_t *fresh);

    point at;
    void (*entry)();
    char *stack;
    void *shadow; /* AddressSanitizer's */
    bool is_begun;
    bool is_parked; /* entry is done with its work, and waits for more */

  public:
    fiber();
    fiber(const fiber &) = delete;
    fiber &operator=(const fiber &) = delete;
    ~fiber();
    void start(void (*entry_)());  /* at the next enter(); what it was doing is forgotten */
    void enter();                  /* from the host: until leave() */
    void leave(bool for_good);     /* from the fiber: back to the host */
    static void entered(fiber *f); /* first thing in entry */
};
} // namespace simt
} // namespace gs

#endif
