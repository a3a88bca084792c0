/* SPDX-License-Identifier: MIT
 * life_embed LIBPYTHON ROUNDS: initialises and finalises Python ROUNDS times; each time two threads
 * fight for 0.1 s. Then 0.3 s without Python.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char code[] = "import threading, time\n"
                           "end = time.monotonic() + 0.1\n"
                           "def spin():\n"
                           "    while time.monotonic() < end: pass\n"
                           "ts = [threading.Thread(target=spin) for _ in range(2)]\n"
                           "[t.start() for t in ts]\n"
                           "[t.join() for t in ts]\n";

int main(int argc, char **argv)
{
    void *lib = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (!lib)
        return 2;
    void (*initialise)(int) = (void (*)(int))dlsym(lib, "Py_InitializeEx");
    int (*run)(const char *, void *) =
        (int (*)(const char *, void *))dlsym(lib, "PyRun_SimpleStringFlags");
    int (*finalise)(void) = (int (*)(void))dlsym(lib, "Py_FinalizeEx");
    for (int i = 0; i < atoi(argv[2]); i++) {
        initialise(1);
        if (run(code, NULL) != 0 || finalise() != 0)
            return 3;
    }
    usleep(300000);
    puts("done");
    return 0;
}
