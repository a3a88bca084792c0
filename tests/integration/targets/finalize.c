/* SPDX-License-Identifier: MIT
 * An embedder: Py_Initialize, threads, Py_Finalize, several times over. Finds Python at run time,
 * so that one program serves every version: finalize LIBPYTHON ROUNDS [local].
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *code = "import threading, time\n"
                          "def spin():\n"
                          "    end = time.monotonic() + 0.05\n"
                          "    while time.monotonic() < end: pass\n"
                          "threads = [threading.Thread(target=spin) for _ in range(3)]\n"
                          "for t in threads: t.start()\n"
                          "for t in threads: t.join()\n";

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 3;
    int mode = argc > 3 && !strcmp(argv[3], "local") ? RTLD_LOCAL : RTLD_GLOBAL;
    void *lib = dlopen(argv[1], RTLD_NOW | mode);
    if (!lib) {
        fprintf(stderr, "%s\n", dlerror());
        return 77;
    }
    void (*initialize)(int) = (void (*)(int))dlsym(lib, "Py_InitializeEx");
    int (*run)(const char *) = (int (*)(const char *))dlsym(lib, "PyRun_SimpleString");
    int (*finalize)(void) = (int (*)(void))dlsym(lib, "Py_FinalizeEx");
    for (int i = 0; i < rounds; i++) {
        initialize(0);
        if (run(code) != 0 || finalize() != 0)
            return 1;
    }
    puts("done");
    return 0;
}
