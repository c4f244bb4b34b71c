"""The counted flavour: what it must get through, and what its check must find."""

import itertools
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["REPRISE_BUILD"]
SOURCE = os.environ["REPRISE_SOURCE"]
CASES = os.environ["REPRISE_COUNTED_CASES"].split()
PLUGIN = os.environ["REPRISE_GCC_PLUGIN"]
REPRISE = os.path.join(BUILD, "tools/reprise")
CHECK = os.path.join(SOURCE, "tools/counted/check_ticks.py")
PLUGGED = [("g++", f"-fplugin={PLUGIN}")]
if "REPRISE_CLANG_PASS" in os.environ:
    PLUGGED.append((os.environ["REPRISE_CLANG"], f"-fpass-plugin={os.environ['REPRISE_CLANG_PASS']}"))
SEEDS = (1, 2, 3)

sys.path.insert(0, os.path.join(SOURCE, "tools/counted"))
import elf  # noqa: E402

# A loop whose turns only the assembler knows.
HIDDEN_LOOP = """
void hidden(unsigned long* n) { asm volatile("1: decq (%0)\\n\\tpause\\n\\tjne 1b" : : "r"(n) : "memory"); }
"""
RECURSIVE_AND_LOOPING = """
int depth(int n) { volatile int kept = n; return n > 0 ? depth(n - 1) + kept : 1; }
int sum(const volatile int* v, int n) { int s = 0; for (int i = 0; i < n; ++i) s += v[i]; return s; }
"""
# The loop needs no tick of its own: each turn has the callee's.
LOOP_OF_CALLS = """
namespace { [[gnu::noinline]] int once(volatile int* v) { return ++*v; } }
int calls(volatile int* v, int n) { int s = 0; for (int i = 0; i < n; ++i) s += once(v); return s; }
"""
NOP9 = bytes.fromhex("660f1f840000000000")


def run(*command, status=0):
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode != status:
        raise AssertionError(f"{' '.join(command)}: status {result.returncode}\n"
                             f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout + result.stderr


class Cases(unittest.TestCase):
    """Exceptions, static guards, callbacks, libraries, comdats, -O0 to -O3 and link-time optimisation."""

    def test_started_directly(self):
        for name in CASES:
            with self.subTest(name):
                self.assertEqual(run(os.path.join(BUILD, name)), "ok\n")

    def test_preempted_at_ticks(self):
        for name in CASES:
            for seed in SEEDS:
                with self.subTest(name, seed=seed):
                    out = run(REPRISE, "run", "--policy", "random", "--seed", str(seed), "--", os.path.join(BUILD, name))
                    self.assertIn("counted ok\n", out)

    def test_replayed_with_the_same_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, how in itertools.product(CASES, (("--policy", "random", "--seed", "1"), ("--slice-us", "30"))):
                with self.subTest(name, how=how):
                    trace = os.path.join(folder, f"{name}{how[1]}.rpz")
                    run(REPRISE, "record", *how, "--hash-memory", "-o", trace, "--", os.path.join(BUILD, name))
                    out = run(REPRISE, "replay", "--times", "2", trace)
                    self.assertEqual(out.count(" same"), 2, out)
                    if how[0] == "--slice-us":
                        continue  # how many slices it takes is the machine's
                    preempted = re.search(r"\(preemption\)\s+([\d,]+)", run(REPRISE, "show", trace))
                    self.assertGreater(int(preempted.group(1).replace(",", "")), 0)


class Check(unittest.TestCase):
    """The check of linked code fails where a tick is missing, and names the function."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def library(self, source, *flags):
        path = os.path.join(self.folder, "unit.cc")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        built = os.path.join(self.folder, "unit.so")
        run("g++", "-O2", *flags, "-fPIC", "-shared", f"-fplugin={PLUGIN}", path, "-o", built)
        return built

    def test_a_hidden_loop_is_found(self):
        out = run(sys.executable, "-B", CHECK, self.library(HIDDEN_LOOP), status=1)
        self.assertIn("cycle without a tick in _Z6hiddenPm", out)

    def test_every_tick_that_is_taken_out_is_missed(self):
        for flags in ((), ("-O0",)):
            built = self.library(RECURSIVE_AND_LOOPING, *flags)
            run(sys.executable, "-B", CHECK, built)
            image = elf.Image(built)
            sites = sorted(image.tick_sites())
            self.assertGreater(len(sites), 2)
            missed = [self.complaints_without(built, image, site) for site in sites]
            self.assertTrue(all(missed), missed)
            self.assertTrue(any("_Z3sumPVKii" in found for found in missed), missed)
            self.assertTrue(any("_Z5depthi" in found for found in missed), missed)

    def test_a_loop_whose_every_turn_calls_a_counted_function_may_lack_its_own(self):
        built = self.library(LOOP_OF_CALLS)
        image = elf.Image(built)
        missed = [self.complaints_without(built, image, site) for site in sorted(image.tick_sites())]
        self.assertEqual(sum(not found for found in missed), 1, missed)
        self.assertTrue(any("_Z5callsPVii" in found for found in missed), missed)
        self.assertTrue(any("once" in found for found in missed), missed)

    def complaints_without(self, built, image, site):
        data = bytearray(image.data)
        at = next(offset + site - begin for begin, size, offset in image.loads if begin <= site < begin + size)
        data[at:at + 9] = NOP9
        self.forget_site(data, image, site)
        path = os.path.join(self.folder, "without.so")
        with open(path, "wb") as file:
            file.write(data)
        result = subprocess.run([sys.executable, "-B", CHECK, path], capture_output=True, text=True, check=False)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        return "".join(line for line in result.stderr.splitlines() if "tick in" in line)

    @staticmethod
    def forget_site(data, image, site):
        """Points its entry in the table at another site."""
        begin, end = image.section("reprise_sites")
        other = next(s for s in image.tick_sites() if s != site)
        for at in range(begin, end, 4):
            if at + struct.unpack("<i", image.read(at, 4))[0] == site:
                offset = next(o + at - b for b, size, o in image.loads if b <= at < b + size)
                data[offset:offset + 4] = struct.pack("<i", other - at)

    def test_a_file_that_is_no_executable_is_refused(self):
        run(sys.executable, "-B", CHECK, CHECK, status=2)


class ThreadLocal(unittest.TestCase):
    """Both compilers warn where the address of a thread_local is kept across a wait, and only there."""

    HEAD = """
namespace reprise { void yield(); }
struct Pair { int a, b; };
thread_local int here;
thread_local Pair pair;
extern thread_local int far;
[[gnu::noinline]] static void deep() { reprise::yield(); }
"""
    KEPT = (
        "int f() { int* p = &here; *p = 1; reprise::yield(); return *p; }",
        "int f() { int& r = pair.b; deep(); return r; }",
        "int f() { int& r = far; reprise::yield(); return ++r; }",
        "int f(int n) { int& r = here; for (int i = 0; i < n; ++i) { r += i; reprise::yield(); } return n; }",
    )
    NOT_KEPT = (
        "int f() { here = 1; reprise::yield(); return here; }",
        "int f() { int& r = here; ++r; reprise::yield(); return 1; }",
        "int f(int n) { for (int i = 0; i < n; ++i) { int& r = here; r += i; reprise::yield(); } return n; }",
    )

    def warnings(self, compiler, source, *flags):
        result = subprocess.run([*compiler, *flags, "-x", "c++", "-c", "-o", "/dev/null", "-"],
                                input=self.HEAD + source, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr.count("is kept across this call")

    def test_kept_is_warned_of(self):
        for compiler, source, level in itertools.product(PLUGGED, self.KEPT, ("-O0", "-O2")):
            with self.subTest(source, compiler=compiler[0], level=level):
                self.assertEqual(self.warnings(compiler, source, level), 1)

    def test_not_kept_is_not(self):
        for compiler, source in itertools.product(PLUGGED, self.NOT_KEPT):
            with self.subTest(source, compiler=compiler[0]):
                self.assertEqual(self.warnings(compiler, source, "-O2"), 0)

    def test_it_can_be_turned_off(self):
        for compiler, flag in zip(PLUGGED, ("-fplugin-arg-reprise_gcc_plugin-no-thread-local", "-Wno-backend-plugin")):
            self.assertEqual(self.warnings(compiler, self.KEPT[0], flag), 0)


if __name__ == "__main__":
    unittest.main()
