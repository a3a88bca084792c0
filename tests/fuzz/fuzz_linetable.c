/* SPDX-License-Identifier: MIT
 * Line tables come from a capture file, so from anywhere. Input: kind, first line (2 bytes, little
 * endian), instruction offset (2 bytes), table.
 */
#include "preload/pyabi/pyabi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 5 };
    if (size < HEAD)
        return 0;
    enum gs_linetable_kind kind = (enum gs_linetable_kind)(data[0] & 3);
    int32_t first_line = (int16_t)(data[1] | data[2] << 8);
    uint32_t instr_off = data[3] | (uint32_t)data[4] << 8;
    int32_t line = gs_pyabi_line(kind, data + HEAD, size - HEAD, first_line, instr_off);
    if (line < -1)
        __builtin_trap();
    gs_pyabi_line(kind, data + HEAD, size - HEAD, INT32_MAX, UINT32_MAX);
    gs_pyabi_line(kind, data + HEAD, size - HEAD, INT32_MIN, 0);
    return 0;
}
