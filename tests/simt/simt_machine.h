/* SPDX-License-Identifier: MIT
 * Between the machine, its shared memory and the runtime. Private to tests/simt.
 */
#ifndef GS_SIMT_MACHINE_H
#define GS_SIMT_MACHINE_H

#include <mutex>
#include <string>
#include <vector>

#include "tests/simt/simt.h"

namespace gs
{
namespace simt
{
std::recursive_mutex &lock(); /* held by whoever uses the machine or the runtime */

struct place { /* of the thread that runs just now; epochs count its barriers */
    uint32_t warp, lane, epoch, warp_epoch;
};
place here();
area *new_area(size_t bytes);
void free_area(area *a);
} // namespace simt
} // namespace gs

#endif
