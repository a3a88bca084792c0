# SPDX-License-Identifier: MIT
"""One run of one workload under one tool, and the statistics of many."""

import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import threading
import time

from billing import load

PROGRAM_DIR = pathlib.Path(__file__).resolve().parents[1] / "programs"
TIMEOUT = 60


class Bench:
    def __init__(self, build, venv, python, folder):
        self.agent = build / "lib" / "libgilscope.so"
        self.gilscope = build / "bin" / "gilscope"
        self.build = build
        self.venv = venv
        self.python = python
        self.folder = pathlib.Path(folder) / "out"
        self.base_env = {k: v for k, v in os.environ.items()
                         if not k.startswith(("GILSCOPE_", "PYTHON")) and k != "LD_PRELOAD"}

    def python_version(self):
        code = "import platform; print(platform.python_version())"
        return subprocess.run([self.python, "-c", code], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.strip()

    def run(self, tool, workload):
        """A dict of what one run cost."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        out = str(self.folder / "x.json")
        port = load.free_port() if workload.requests else None
        target = [self.python, *(str(a).replace("{port}", str(port)) for a in workload.argv)]
        env = dict(self.base_env, **tool.env(self, out))
        with open(self.folder.parent / "log", "w+") as log, \
                open(self.folder.parent / "stdout", "w+") as stdout:
            start = time.perf_counter()
            process = subprocess.Popen(tool.command(self, target, out), env=env, stderr=log,
                                       stdin=subprocess.DEVNULL, stdout=stdout,
                                       cwd=str(self.folder.parent), start_new_session=True)
            result, usage = self._attend(process, port, workload)
            result["wall"] = time.perf_counter() - start
            if process.returncode != 0:
                log.seek(0)
                last = (log.read().strip().splitlines() or [""])[-1]
                raise RuntimeError("exit code %d: %s" % (process.returncode, last[:200]))
            stdout.seek(0)
            result["stdout"] = stdout.read()
        result["cpu"] = usage.ru_utime + usage.ru_stime
        result["rss_kib"] = usage.ru_maxrss
        result["bytes"] = sum(f.stat().st_size for f in self.folder.iterdir())
        if tool.is_ours:
            result["stats"] = self.stats(out)
        return result

    def _attend(self, process, port, workload):
        """Load, then the end, of a process; what is still there after TIMEOUT is killed."""
        def kill():
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(TIMEOUT, kill)
        timer.start()
        result = {}
        try:
            if port:
                rps, p99 = load.drive(port, process, workload.requests, workload.connections)
                result.update(rps=rps, p99=p99)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except (OSError, TimeoutError) as e:
            kill()
            process.wait()
            raise RuntimeError("the server failed: %s" % e) from e
        finally:
            timer.cancel()
        return result, usage

    def stats(self, capture):
        """What the agent says of itself."""
        out = subprocess.run([str(self.gilscope), "stats", "--json", capture], env=self.base_env,
                             check=True, stdout=subprocess.PIPE).stdout
        doc = json.loads(out)
        process = doc["processes"][0]
        return {"acquisitions": process["gil"]["acquisitions"], "level_end": process["level_end"],
                "lost_events": doc["capture"]["lost_events"],
                "overhead_s": doc["capture"]["overhead_ns"] / 1e9}


def spread(values):
    values = list(values)
    if not values:
        return None
    if len(values) < 2:
        return {"median": values[0], "q1": values[0], "q3": values[0], "n": 1}
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3, "n": len(values)}


def ratios(rounds, tool, key):
    """`tool` over the program alone, round by round."""
    return [r[tool][key] / r["off"][key] for r in rounds
            if tool in r and key in r[tool] and r["off"][key]]


def differences(rounds, tool, key):
    return [r[tool][key] - r["off"][key] for r in rounds if tool in r]
