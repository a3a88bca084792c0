/* SPDX-License-Identifier: MIT
 * Fibers on ucontext, with what AddressSanitizer must be told of them. Stacks are kept for the next
 * block; each has a page without access below it.
 */
#ifndef GS_SIMT_FIBER_H
#define GS_SIMT_FIBER_H

#include <cstddef>
#include <ucontext.h>

namespace gs
{
namespace simt
{
class fiber
{
    ucontext_t at;
    char *stack;
    void *shadow; /* AddressSanitizer's */

  public:
    fiber();
    fiber(const fiber &) = delete;
    fiber &operator=(const fiber &) = delete;
    ~fiber();
    void start(void (*entry)());   /* at the next enter(); what it was doing is forgotten */
    void enter();                  /* from the host: until leave() */
    void leave(bool for_good);     /* from the fiber: back to the host */
    static void entered(fiber *f); /* first thing in entry */
};
} // namespace simt
} // namespace gs

#endif
