# SPDX-License-Identifier: MIT
"""Names a program may give its threads, functions and files. Whatever they hold, they are text:
nothing that gilscope prints acts on a page, a terminal, a table or a line-based tool."""

import base64
import gzip
import html.parser
import json
import re
import sys

import pytest

one_each = pytest.mark.pythons(per_minor=True)

# By a word that is to be found again in what is printed.
NAMES = {
    "markup": "markup</script><script>alert(1)</script><!--<svg onload=alert(2)>",
    "bidi": "bidi\u202egnp.exe\u2066x\u2069\u200f\u061c",
    "escape": "escape\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r",
    "syntax": "syntax;a b\nc 5\r\nd 6\te\u2028f\u2029g\x85h",
    "lonely": "lonely\udcff\ud800\udfff\ud800x",
    "cell": "=cell(\"'`,\\,$(id))",
    "nought": "nought\0x",
    "long": "long" * 2500000,
}
TAME = {word: word for word in NAMES}

PROGRAM = """
import ast, sys, threading, time
names = ast.literal_eval(open(sys.argv[1]).read())
SOURCE = '''
def work():
    ready.wait()
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        sum(range(3000))
'''
def make(name):
    space = {"time": time, "ready": ready}
    exec(compile(SOURCE, name, "exec") if "\\0" not in name else SOURCE, space)
    code = space["work"].__code__.replace(co_name=name, co_filename=name)
    if hasattr(code, "co_qualname"):
        code = code.replace(co_qualname=name)
    space["work"].__code__ = code
    return space["work"]
ready = threading.Barrier(len(names))
threads = [threading.Thread(target=make(n), name=n) for n in names.values()]
for t in threads:
    t.start()
for t in threads:
    t.join()
"""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def capture_of(record, script, tmp_path):
    def run(python, names):
        (tmp_path / "names").write_text(ascii(names))
        # an argument without the surrogates that no command line can hold
        args = [n for n in names.values() if "\0" not in n and len(n) < 1000 and n != NAMES["lonely"]]
        return record(python, [script(PROGRAM), tmp_path / "names", *args]).file

    return run


def printed(gilscope, *args):
    """What a command writes, as text; fails where it is not UTF-8."""
    out = gilscope(*args, text=False)
    assert out.stderr == b"", out.stderr
    assert len(out.stdout) < 2000000
    return out.stdout.decode("utf-8")


def check_plain(text):
    """Safe to show in a terminal."""
    assert not CONTROL.search(text), repr(CONTROL.search(text))
    assert not DIRECTION.search(text)


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from strings_in(key)
            yield from strings_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings_in(member)


def check_names(text):
    """All of the names are there, so that the tests above say something."""
    for word in NAMES:
        assert word in text, word


def check_json(text):
    check_plain(text)
    doc = json.loads(text)
    for string in strings_in(doc):
        string.encode("utf-8")  # no lone surrogates, raw or escaped
        assert len(string) <= 5000
    return doc


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self.inside, self.is_data = None, False
        self.attributes, self.data = set(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.inside = tag
        self.is_data = ("class", "gs-data") in attrs
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
            self.data += data if self.is_data else ""


@one_each
def test_every_output_is_inert(python, capture_of, gilscope, tmp_path):
    capture = capture_of(python, NAMES)
    assert capture.stat().st_size < 2000000

    text = printed(gilscope, "stats", capture)
    check_plain(text)
    check_names(json.dumps(check_json(printed(gilscope, "stats", "--json", capture))))

    for metric in ("hold", "wait", "blame"):
        stacks = printed(gilscope, "export", "collapsed", "--metric", metric, capture)
        check_plain(stacks)
        check_names(stacks)
        for line in stacks.split("\n")[:-1]:
            assert re.fullmatch(r"[^;]+(;[^;]+)+ \d+", line), line[:200]
        assert not set(stacks) & set("\u2028\u2029\t")
    check_names(json.dumps(check_json(printed(gilscope, "export", "speedscope", capture))))

    dump = printed(gilscope, "dump", capture)
    check_plain(dump)
    check_names(dump)
    raw = printed(gilscope, "dump", "--raw-json", capture)
    check_plain(raw)
    for line in raw.split("\n")[:-1]:
        assert isinstance(json.loads(line), dict)


@pytest.mark.pythons(min=(3, 11), max=(3, 11), per_minor=True)
def test_page_has_no_markup_of_the_programs(python, capture_of, gilscope, tmp_path):
    pages = []
    for names in (TAME, NAMES):
        capture = capture_of(python, names)
        gilscope("report", capture, "-o", tmp_path / "r.html", "-f")
        raw = (tmp_path / "r.html").read_bytes().decode("utf-8")
        assert not CONTROL.search(raw.replace("\t", " "))
        pages.append((raw, Page(raw)))
    (tame_raw, tame), (raw, page) = pages
    assert len(page.scripts) == len(tame.scripts) > 0
    assert raw.count("</script") == tame_raw.count("</script")
    assert set(page.tags) <= set(tame.tags) and page.attributes == tame.attributes
    assert len(DIRECTION.findall(raw)) == len(DIRECTION.findall(tame_raw))
    assert len(raw) < len(tame_raw) + 500000
    profile = check_json(gzip.decompress(base64.b64decode(page.data)).decode("utf-8"))
    check_names(json.dumps(profile))


def test_paths_and_arguments_are_text_too(gilscope, tmp_path):
    """The names that gilscope itself is given: of the program, of the capture."""
    folder = tmp_path / "a\x1b[2J\u202e<script>\nb"
    folder.mkdir()
    (folder / "x;\x07.py").write_text("pass")
    out = folder / "c\x1b]0;t\x07.gsc"
    result = gilscope("run", "-o", out, "--", sys.executable, folder / "x;\x07.py", "\x9b\n--")
    check_plain(result.stderr)
    check_plain(printed(gilscope, "stats", out))
    check_json(printed(gilscope, "stats", "--json", out))
    for args in (["stats", folder / "none"], ["dump", folder / "none"], ["stats", "--e\x1b[2J"],
                 ["export", "\x1b[2J", out], ["\x1b[2J"], ["stats", "--engine", "\x1b[2J", out],
                 ["report", out, "-o", folder], ["recover", folder / "x;\x07.py", "-o", out],
                 ["run", folder / "\x1b[2J.py"], ["doctor", "--python", folder / "\x1b[2J"],
                 ["help", "\x1b[2J"], ["completions", "\x1b[2J"]):
        result = gilscope(*args, expect_rc=None)
        assert result.returncode != 0
        check_plain(result.stderr)
        check_plain(result.stdout)
