# SPDX-License-Identifier: MIT
"""NVIDIA's runtime library, wherever it is on this machine."""
import os
import pathlib
import subprocess


def runtimes(python, name):
    """Files libcudart*: in folders named by GILSCOPE_CUDART, of the interpreter's packages, of the
    toolkit. `name` is "libcudart_static.a" or "libcudart.so"."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    out = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, universal_newlines=True)
    named = [p for p in os.environ.get("GILSCOPE_CUDART", "").split(":") if p]
    folders = [pathlib.Path(p) for p in named]
    folders += sorted(pathlib.Path(out.stdout.strip()).glob("nvidia/*/lib"))
    folders += sorted(pathlib.Path("/usr/local").glob("cuda*/lib64"))
    files = {file.resolve() for folder in folders for file in folder.glob(name + "*")}
    return sorted(files)
