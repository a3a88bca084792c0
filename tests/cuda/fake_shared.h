/* SPDX-License-Identifier: MIT
 * What processes take of the machine's devices: a file (FAKECUDA_SHARED) that all of them map, the
 * driver's libnvidia-ml.so.1 too. A row of a process that is gone is free.
 */
#ifndef FAKE_SHARED_H
#define FAKE_SHARED_H

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FAKE_SHARED_ROWS    512
#define FAKE_SHARED_DEVICES 8

struct fake_shared_row {
    int32_t pid;
    uint64_t used_bytes[FAKE_SHARED_DEVICES];
};

struct fake_shared {
    struct fake_shared_row rows[FAKE_SHARED_ROWS];
};

static inline struct fake_shared *fake_shared_map(void)
{
    const char *path = getenv("FAKECUDA_SHARED");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    if (!ftruncate(fd, sizeof(struct fake_shared)))
        p = mmap(NULL, sizeof(struct fake_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static inline int fake_shared_lives(int32_t pid)
{
    return pid && !kill(pid, 0);
}

#endif
