/* SPDX-License-Identifier: MIT
 * Between the machine and its shared memory. Private to tests/simt.
 */
#ifndef GS_SIMT_MACHINE_H
#define GS_SIMT_MACHINE_H

#include <string>
#include <vector>

#include "tests/simt/simt.h"

namespace gs
{
namespace simt
{
struct place { /* of the thread that runs just now; epochs count its barriers */
    uint32_t warp, lane, epoch, warp_epoch;
};
place here();
area *new_area(size_t bytes);
void free_area(area *a);
} // namespace simt
} // namespace gs

#endif
