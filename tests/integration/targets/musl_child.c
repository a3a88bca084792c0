/* SPDX-License-Identifier: MIT
 * A program of another libc that starts under an inherited LD_PRELOAD.
 */
#include <stdio.h>

int main(void)
{
    puts("musl");
    return 3;
}
