# SPDX-License-Identifier: MIT
"""Running a program with the agent by environment only, as a container or a batch job does."""

from conftest import clean_env, run_bounded


def run_preloaded(gilscope, argv, out, timeout=60, env=None, **kwargs):
    """GILSCOPE_OUT=out LD_PRELOAD=agent ARGV; out None leaves the default name."""
    extra = {"LD_PRELOAD": gilscope.agent, **(env or {})}
    if out is not None:
        extra["GILSCOPE_OUT"] = out
    return run_bounded(list(map(str, argv)), timeout, clean_env(extra), **kwargs)


def run_plain(argv, timeout=60, env=None, **kwargs):
    """The same without the agent, to compare with."""
    return run_bounded(list(map(str, argv)), timeout, clean_env(env), **kwargs)
