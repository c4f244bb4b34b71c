"""Includes go downward only: DESIGN section "The house".

    tools, tests, corpus -> everything      replay -> runtime/seam, runtime/stage/abi.h
    scheduler-policies -> runtime/seam      runtime -> asm      asm -> nothing
"""

import os
import unittest

import tree

# What a file whose path starts with the key may include; the longest key counts.
MAY_INCLUDE = {
    "asm/": ["asm/"],
    "runtime/": ["runtime/", "asm/"],
    "runtime/seam/": ["runtime/seam/"],
    "runtime/stage/": ["runtime/stage/", "runtime/seam/", "asm/"],
    "scheduler-policies/": ["scheduler-policies/", "runtime/seam/"],
    "replay/": ["replay/", "runtime/seam/", "runtime/stage/abi.h"],
    "tools/": [""],
    "tests/": [""],
    "corpus/": [""],
}
# The wiring sits in tools but is linked into programs, where the seam reaches it by declaration.
ABOVE = ("tools/", "tests/", "corpus/")
TRACE_LIBRARIES = ("capnp/", "kj/", "zstd")


def allowed(path):
    keys = [k for k in MAY_INCLUDE if path.startswith(k)]
    return MAY_INCLUDE[max(keys, key=len)] if keys else None


class Layers(unittest.TestCase):

    def test_every_source_lies_in_a_layer(self):
        strays = [p for p in tree.code_files() if allowed(p) is None]
        self.assertEqual(strays, [])

    def test_includes_go_downward_only(self):
        upward = []
        for path in tree.code_files():
            for line, target, kind in tree.includes(path):
                if kind == "<" and target.startswith("reprise/"):
                    target = "runtime/include/" + target
                elif kind == "<" or target.split("/")[0] not in tree_folders():
                    continue
                if not any(target.startswith(prefix) for prefix in allowed(path) or []):
                    upward.append(f"{path}:{line} includes {target}")
        self.assertEqual(upward, [])

    def test_quoted_includes_name_a_file_from_the_root(self):
        lost = []
        for path in tree.code_files():
            for line, target, kind in tree.includes(path):
                generated = target.endswith((".capnp.h", ".inc", ".gen.h"))
                if kind == '"' and not generated and \
                        not os.path.exists(os.path.join(tree.ROOT, target)):
                    lost.append(f"{path}:{line} includes {target}")
        self.assertEqual(lost, [])

    def test_only_replay_knows_the_trace_libraries(self):
        leaks = []
        for path in tree.code_files():
            if path.startswith(("replay/",) + ABOVE):
                continue
            leaks += [f"{path}:{line} includes {target}" for line, target, _ in tree.includes(path)
                      if target.startswith(TRACE_LIBRARIES)]
        self.assertEqual(leaks, [])


def tree_folders():
    return {key.split("/")[0] for key in MAY_INCLUDE}


if __name__ == "__main__":
    unittest.main()
