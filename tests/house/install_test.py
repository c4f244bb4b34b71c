"""What is installed suffices to build and run a program and a policy outside the tree.

Both ways that a build finds it are used: find_package(reprise) and pkg-config.
"""

import os
import shlex
import subprocess
import tempfile
import unittest

import tree

BUILD = os.environ.get("REPRISE_BUILD", os.path.join(tree.ROOT, "build"))
COMPILER = os.environ.get("REPRISE_CXX", "g++")
OUTSIDE = os.path.join(tree.ROOT, "tests/house/outside")
SQUARES = ["0", "1", "4", "9"]


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                            **options)
    if result.returncode:
        raise AssertionError(f"{shlex.join(command)}: status {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result.stdout


class Install(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="reprise-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = os.path.join(cls.folder.name, "usr")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.reprise = os.path.join(cls.prefix, "bin/reprise")
        cls.cmake_built = os.path.join(cls.folder.name, "outside")
        run("cmake", "-S", OUTSIDE, "-B", cls.cmake_built, f"-DCMAKE_PREFIX_PATH={cls.prefix}",
            f"-DCMAKE_CXX_COMPILER={COMPILER}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo")
        run("cmake", "--build", cls.cmake_built)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_nothing_installed_names_the_build_tree(self):
        for name in ("lib/pkgconfig/reprise.pc", "lib/cmake/reprise/reprise-config.cmake",
                     "lib/cmake/reprise/reprise-targets.cmake"):
            with open(self.installed(name), encoding="utf-8") as f:
                text = f.read()
            self.assertNotIn(tree.ROOT, text, name)

    def installed(self, name):
        found = [os.path.join(folder, os.path.basename(name))
                 for folder, _, files in os.walk(self.prefix) if os.path.basename(name) in files]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def test_program_found_by_cmake_runs_by_itself(self):
        program = os.path.join(self.cmake_built, "squares")
        self.assertEqual(sorted(run(program).split()), SQUARES)

    def test_program_found_by_cmake_is_recorded_and_replayed_by_the_installed_command(self):
        program = os.path.join(self.cmake_built, "squares")
        trace = self.path("squares.rpz")
        recorded = run(self.reprise, "record", "-o", trace, "--", program)
        self.assertEqual(sorted(recorded.split()), SQUARES)
        self.assertEqual(run(self.reprise, "replay", trace), recorded)

    def test_counted_program_found_by_cmake_is_recorded_and_replayed(self):
        program = os.path.join(self.cmake_built, "squares_counted")
        if not os.path.exists(program):
            self.skipTest("no plugin for this compiler is installed")
        trace = self.path("squares_counted.rpz")
        recorded = run(self.reprise, "record", "-o", trace, "--", program)
        self.assertEqual(sorted(recorded.split()), SQUARES)
        self.assertEqual(run(self.reprise, "replay", trace), recorded)

    def test_policy_built_outside_the_tree_decides(self):
        program = os.path.join(self.cmake_built, "squares")
        policy = os.path.join(self.cmake_built, "liblast_first.so")
        order = run(self.reprise, "run", "--policy", policy, "--", program).split()
        self.assertEqual(sorted(order), SQUARES)
        self.assertNotEqual(order, SQUARES)

    def test_policy_named_from_here_is_replayed_from_elsewhere(self):
        trace = self.path("last_first.rpz")
        recorded = run(self.reprise, "record", "--policy", "./liblast_first.so", "-o", trace, "--", "./squares",
                       cwd=self.cmake_built)
        self.assertNotEqual(recorded.split(), SQUARES)
        self.assertEqual(run(self.reprise, "replay", trace, cwd="/"), recorded)

    def test_program_found_by_pkg_config_runs(self):
        environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.installed("reprise.pc")))
        flags = [shlex.split(run("pkg-config", option, "reprise", env=environment))
                 for option in ("--cflags", "--libs")]
        program = self.path("squares-pkg-config")
        run(COMPILER, *flags[0], os.path.join(OUTSIDE, "squares.cc"), "-o", program, *flags[1])
        self.assertEqual(sorted(run(program).split()), SQUARES)


if __name__ == "__main__":
    unittest.main()
