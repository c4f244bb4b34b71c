"""What only the sanitizers' presets compile still compiles.

Sources that ask for REPRISE_SANITIZED are checked here with it, without being built: the presets themselves take
too long for every change.
"""

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import unittest

import tree

BUILD = os.environ.get("REPRISE_BUILD", os.path.join(tree.ROOT, "build"))
SIDE = "-DREPRISE_SANITIZED=1"


def sanitized(command):
    """The build's own command for a source, on the sanitizers' side of the #ifs, and producing nothing."""
    words = shlex.split(command)
    compiler = next(i for i, word in enumerate(words) if not word.endswith("ccache"))
    output = words.index("-o")
    return [words[compiler], SIDE, "-fsyntax-only", *words[compiler + 1:output], *words[output + 2:]]


def commands():
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    by_source = {os.path.relpath(entry["file"], tree.ROOT): entry for entry in entries}
    return {source: entry for source, entry in by_source.items()
            if source.endswith(".cc") and not source.startswith("..") and "REPRISE_SANITIZED" in tree.read(source)}


def check(entry):
    result = subprocess.run(sanitized(entry["command"]), cwd=entry["directory"], text=True, capture_output=True,
                            check=False)
    return result.stderr if result.returncode else ""


class Sanitized(unittest.TestCase):

    def test_sources_compile_on_the_sanitizers_side(self):
        found = commands()
        self.assertTrue(found)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failures = [failure for failure in pool.map(check, found.values()) if failure]
        print(f"{len(found)} sources", file=sys.stderr)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
