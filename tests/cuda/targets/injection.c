/* SPDX-License-Identifier: MIT
 * What CUDA_INJECTION64_PATH names: the driver loads it in cuInit() and calls it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int InitializeInjection(void);

int InitializeInjection(void)
{
    const char *path = getenv("INJECTION_WAS_HERE");
    int fd = path ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
    return 1;
}
