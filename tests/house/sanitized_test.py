"""What only the sanitizers' presets compile still compiles.

Sources and headers that differ there are checked, without being built, by the build's compiler and by clang, which
builds for ThreadSanitizer: the presets themselves take too long for every change. So are programs that define
types, as UBSan keeps GCC from taking some expressions for constants.
"""

import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess
import sys
import unittest

import tree

BUILD = os.environ.get("REPRISE_BUILD", os.path.join(tree.ROOT, "build"))
SIDE = "-DREPRISE_SANITIZED=1"
DIFFERS = ("REPRISE_SANITIZED", "no_sanitize")
TYPES = ("corpus/programs/gc_graph.cc", "tests/unit/iface_library.cc")
CLANG = shutil.which("clang++-16")


def differs(path):
    text = tree.read(path)
    return any(word in text for word in DIFFERS)


def sources():
    """The build's own commands, by source."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    by_source = {os.path.relpath(entry["file"], tree.ROOT): entry for entry in entries}
    return {source: entry for source, entry in by_source.items()
            if source.endswith(".cc") and not source.startswith("..")}


def how_to_read(entry):
    """What a command says about reading a source, for any compiler: definitions, folders, warnings, the language."""
    words = shlex.split(entry["command"])
    system = [word for at, word in enumerate(words) if word == "-isystem" or words[at - 1] == "-isystem"]
    return [word for word in words if word.startswith(("-D", "-I", "-W", "-std"))] + system


def compilers():
    """The build's for AddressSanitizer's side; clang, which builds for ThreadSanitizer."""
    build = os.environ.get("REPRISE_CXX", "g++")
    return [[build, "-fsanitize=address,undefined"]] + ([[CLANG, "-fsanitize=thread"]] if CLANG and "clang" not in build else [])


def check(entry, text):
    errors = ""
    for compiler in compilers():
        result = subprocess.run([*compiler, SIDE, "-fsyntax-only", *how_to_read(entry), "-x", "c++", "-"], input=text,
                                cwd=entry["directory"], text=True, capture_output=True, check=False)
        errors += result.stderr if result.returncode else ""
    return errors


class Sanitized(unittest.TestCase):

    def test_sources_and_headers_compile_on_the_sanitizers_side(self):
        commands = sources()
        found = [(entry, f'#include "{source}"\n') for source, entry in commands.items()
                 if differs(source) or source in TYPES]
        runtime = next(entry for source, entry in commands.items() if source.startswith("runtime/sched/"))
        found += [(runtime, f'#include "{path}"\n') for path in tree.code_files() if path.endswith(".h") and differs(path)]
        self.assertGreater(len(found), 30)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failures = [failure for failure in pool.map(lambda one: check(*one), found) if failure]
        print(f"{len(found)} sources and headers", file=sys.stderr)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
