"""Every header compiles on its own.

A header that a compiled source includes first is proven by the build already; each of the others is
compiled here, alone.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import unittest

import tree

BUILD = os.environ.get("REPRISE_BUILD", os.path.join(tree.ROOT, "build"))
COMPILER = os.environ.get("REPRISE_CXX", "g++")
LLVM = "/usr/lib/llvm-16/include"  # as in CMakeLists.txt; presets with sanitizers do not build the compilers' plugins


def spelled(path):
    return path.removeprefix("runtime/include/")


def proven_by_the_build():
    commands = os.path.join(BUILD, "compile_commands.json")
    if not os.path.exists(commands):
        return set()
    with open(commands, encoding="utf-8") as f:
        sources = {os.path.relpath(entry["file"], tree.ROOT) for entry in json.load(f)}
    firsts = set()
    for source in sources:
        if source.endswith(".cc") and not source.startswith(".."):
            for _, target, _ in tree.includes(source)[:1]:
                firsts.add(target)
    return firsts


def compile_alone(header):
    command = [COMPILER, "-std=gnu++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               "-Wno-pragma-once-outside-header", "-x", "c++", "-I", tree.ROOT,
               "-I", os.path.join(tree.ROOT, "runtime/include"),
               "-I", os.path.join(tree.ROOT, "tools/testing/include"), "-I", BUILD, "-isystem", os.path.join(BUILD, "generated"),
               "-isystem", LLVM, "-"]
    if "clang" not in COMPILER:
        command.remove("-Wno-pragma-once-outside-header")
    text = f'#include "{spelled(header)}"\n'
    result = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    return f"{header}:\n{result.stderr}" if result.returncode else ""


class Headers(unittest.TestCase):

    def test_every_header_is_self_contained(self):
        proven = proven_by_the_build()
        headers = [p for p in tree.code_files() if p.endswith(".h")]
        rest = [h for h in headers if spelled(h) not in proven]
        self.assertTrue(headers)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failures = [failure for failure in pool.map(compile_alone, rest) if failure]
        print(f"{len(headers)} headers, {len(rest)} compiled alone", file=sys.stderr)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
