# SPDX-License-Identifier: MIT
"""both_ways.py sees what it is there to see: a program that notices the agent, one that is flaky anyway,
one that leaves something behind, one that writes in the agent's name."""

import sys

import pytest

import both_ways


def compared(code, gilscope, repeats=3):
    argv = [sys.executable, "-c", code]
    return both_ways.compare(lambda agent: both_ways.run_once(argv, agent, 60, both_ways.printed),
                             gilscope.agent, repeats)


def test_program_that_notices_the_agent(gilscope):
    row = compared("import os; print('answer a: 1'); print('answer b:', 'LD_PRELOAD' in os.environ)", gilscope)
    assert (row["differs"], row["runs"], row["answers"]) == (["b"], 4, {"a": "1", "b": "True"})
    with pytest.raises(AssertionError):
        both_ways.check_row(row)


def test_program_that_ends_otherwise(gilscope):
    row = compared("import os, sys; print('answer a: 1'); sys.exit('LD_PRELOAD' in os.environ)", gilscope)
    assert row["differs"] == ["(end)"] and [0, 1] in row["status"]


def test_program_that_never_says_the_same(gilscope):
    row = compared("import os; print('answer pid:', os.getpid())", gilscope)
    assert (row["differs"], row["flaky_without"]) == ([], ["pid"])
    both_ways.check_row(row)


def test_process_left_behind_and_words_in_the_agents_name(gilscope):
    code = "import os, subprocess, sys; print('answer a: 1')\n" \
           "if 'LD_PRELOAD' in os.environ:\n" \
           "    sys.stderr.write('gilscope: hello\\n')\n" \
           "    subprocess.Popen(['sleep', '100'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
    row = compared(code, gilscope)
    assert row["leftovers_with"] == ["sleep 100 "] and row["leftovers_without"] == []
    assert row["said"] == ["gilscope: hello"]


def test_verdicts_of_unittest_whatever_is_printed_between():
    err = "test_a (m.Case.test_a) ... ok\ntest_b (m.Case.test_b)\nWith words. ... noise\nok\n" \
          "test_c (m.Case.test_c) ... skipped 'why'\ntest_d (m.Case.test_d) ... FAIL\ntest_e (m.Case.test_e) ... \n" \
          "\n======\nERROR: test_f (m.Case.test_f)\n" + "-" * 70 + "\ntest_g (m.Case.test_g) ... ok\n"
    found = both_ways.unittest_lines(None, "", err)
    assert [found["test_%s (m.Case.test_%s)" % (x, x)] for x in "abcd"] == ["pass", "pass", "skipped", "failure"]
    assert len(found) == 5
