#!/usr/bin/env python3
"""Finds what would keep counted code from being preempted, or replayed exactly: a cycle without a tick.

    check_ticks.py [--verbose] FILE

FILE is a linked executable or library. In the control flow graph of its counted text no cycle may avoid
the ticks, its own and those at the entry of counted functions that it calls directly, and no function may be entered and left, or make a call, without one: then no instruction is
executed twice between two ticks with the same stack pointer. Edges are jumps, branches, what follows a
call (the plugins end those that do not return with a `ud2`), the landing pads of a call (from the
exception tables), and the targets of jump tables and of computed gotos.

Some cycles are the compiler's own making, come after its plugin has run, and are allowed by what they
are. They end by themselves, and each turn is told from the next by registers that a preemption's key
holds:
  - a compare-and-swap that failed is tried again: every turn passes a `lock cmpxchg`, and calls nothing;
  - a string operation expanded to a loop: one path of moves that counts a register up or down;
  - probes of a large stack frame: every turn moves rsp;
  - a cleanup that seems to be its own landing pad, because exception tables join call sites round a call that
    does not throw: what a cleanup throws ends the program, so that a cycle over landing pads catches.
`rep` string instructions are no cycles here; the same argument holds for them, with rcx.

Status 0: none. 1: some, each with its function and addresses. 2: the file cannot be read.
"""

import argparse
import bisect
import re
import subprocess
import sys

from elf import Broken, Image

TICK = re.compile(r"subq?\s+\$0x1,(ds:)?0x100000$")
# Calls that code generation adds behind the plugins' backs.
NO_RETURN = re.compile(r"<(_Unwind_Resume|__stack_chk_fail)\b")
END = {"ret", "retq", "ud2", "hlt", "int3", "ud1", "ud0"}
PREFIXES = {"notrack", "bnd", "data16", "cs", "ds", "addr32"}
STRING_MOVES = re.compile(r"v?mov\w*$|add[bwlq]?$|sub[bwlq]?$|inc[bwlq]?$|dec[bwlq]?$|lea[lq]?$|cmp[bwlq]?$|test[bwlq]?$|j\w+$")
INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\t(.*)$")
SYMBOL = re.compile(r"([0-9a-f]+) <(.+)>:$")
TARGET = re.compile(r"\s([0-9a-f]+)( <.*>)?$")
RIP = re.compile(r"#\s*([0-9a-f]+)")


class Instruction:
    __slots__ = ("at", "text", "op", "tick")

    def __init__(self, at, text):
        self.at, self.text = at, text
        words = text.split()
        while len(words) > 1 and words[0] in PREFIXES:
            words = words[1:]
        self.op = words[0] if words else ""
        self.tick = TICK.search(text.split("#")[0].strip()) is not None

    def is_jump(self):
        return self.op.startswith("j") or self.op.startswith("loop")

    def target(self):
        """Of a direct jump or call."""
        found = TARGET.search(self.text)
        return int(found.group(1), 16) if found and "*" not in self.text else None

    def address(self):
        """What it addresses relative to itself."""
        found = RIP.search(self.text)
        return int(found.group(1), 16) if found else None


class Code:
    """Every instruction of a file, and where its functions begin."""

    def __init__(self, path):
        listing = subprocess.run(["objdump", "-d", "-w", "--no-show-raw-insn", path],
                                 capture_output=True, text=True, check=False)
        if listing.returncode:
            raise Broken(listing.stderr.strip())
        self.at = {}
        self.symbols = {}
        for line in listing.stdout.splitlines():
            if found := INSTRUCTION.match(line):
                instruction = Instruction(int(found.group(1), 16), found.group(2))
                self.at[instruction.at] = instruction
            elif found := SYMBOL.match(line):
                self.symbols[int(found.group(1), 16)] = found.group(2)
        self.order = sorted(self.at)
        self.starts = sorted(self.symbols)

    def after(self, at):
        i = bisect.bisect_right(self.order, at)
        return self.order[i] if i < len(self.order) else None

    def between(self, begin, end):
        return self.order[bisect.bisect_left(self.order, begin):bisect.bisect_left(self.order, end)]

    def name(self, at):
        i = bisect.bisect_right(self.starts, at) - 1
        return self.symbols[self.starts[i]] if i >= 0 else "?"


class Graph:
    """Where control may go from each instruction of counted text without passing a tick."""

    def __init__(self, image, code):
        self.image, self.code = image, code
        self.ranges = image.counted_ranges()
        self.begins = [begin for begin, _ in self.ranges]
        self.nodes = [at for begin, end in self.ranges for at in code.between(begin, end)]
        self.known = set(self.nodes)
        self.pads = sorted(image.landing_pads())
        self.pad_begins = [begin for begin, _, _ in self.pads]
        self.taken = self._taken_labels()
        self.table_starts = sorted(a for a in map(self._table_address, self.nodes) if a is not None)
        self.successors = {at: self._successors(at) for at in self.nodes}

    def range_of(self, at):
        i = bisect.bisect_right(self.begins, at) - 1
        return self.ranges[i] if i >= 0 and at < self.ranges[i][1] else None

    def _table_address(self, at):
        instruction = self.code.at[at]
        address = instruction.address() if instruction.op.startswith("lea") else None
        return address if address is not None and address not in self.code.at else None

    def _taken_labels(self):
        """Addresses inside functions that data or a lea holds: targets of computed gotos."""
        begins = set(self.begins)
        addresses = self.image.relocated_pointers()
        addresses.update(a for a in (self.code.at[n].address() for n in self.nodes
                                     if self.code.at[n].op.startswith("lea")) if a is not None)
        return sorted(a for a in addresses if a in self.known and a not in begins)

    def _indirect_targets(self, at):
        """Labels of this piece of text whose address was taken; for a jump through a table, what it leads
        to. Anything else that jumps to an address is a call at the end of its function."""
        begin, end = self.range_of(at)
        targets = set(self.taken[bisect.bisect_left(self.taken, begin):bisect.bisect_left(self.taken, end)])
        before = self.code.between(begin, at)[::-1]
        for base in self._table_registers(at, before):
            for node in before:
                table = self._table_address(node)
                if table is None or not self.code.at[node].text.split("#")[0].rstrip().endswith("," + base):
                    continue
                if entries := set(self._table(table)):
                    return targets | entries
        return targets

    def _table_registers(self, at, before):
        """`movslq (BASE,index,4),R; add BASE,R; jmp *R`, in either order of the sum. BASE may be either."""
        jump = re.search(r"\*(%\w+)$", self.code.at[at].text)
        for node in before[:8] if jump else []:
            found = re.match(r"add\s+(%\w+),(%\w+)$", self.code.at[node].text)
            if found and found.group(2) == jump.group(1):
                return found.groups()
        return ()

    def _table(self, start):
        """Entries of a jump table: 32 bits, from its start. It ends where the next begins, or sense does."""
        i = bisect.bisect_right(self.table_starts, start)
        end = self.table_starts[i] if i < len(self.table_starts) else start + 0x10000
        for at in range(start, end, 4):
            if not self.image.holds(at + 3):
                return
            target = start + int.from_bytes(self.image.read(at, 4), "little", signed=True)
            if target not in self.known:
                return
            yield target

    def pad(self, at):
        i = bisect.bisect_right(self.pad_begins, at) - 1
        if i >= 0 and at < self.pads[i][1]:
            return self.pads[i][2]
        return None

    def _plain_successors(self, instruction):
        at, op = instruction.at, instruction.op
        if op in END:
            return []
        if op.startswith("jmp"):
            return [instruction.target()] if instruction.target() is not None else []
        if op.startswith("call") and NO_RETURN.search(instruction.text):
            return []
        after = self.code.after(at)
        return [t for t in (after, instruction.target() if instruction.is_jump() else None) if t is not None]

    def _successors(self, at):
        instruction = self.code.at[at]
        if instruction.tick:
            return []
        targets = self._plain_successors(instruction)
        if instruction.op.startswith("jmp") and instruction.target() is None:
            targets = self._indirect_targets(at)
        elif instruction.op.startswith("call"):
            if self._calls_counted(instruction):
                return []
            if (pad := self.pad(at)) is not None:
                targets = targets + [pad]
        return [t for t in targets if t in self.known]

    def _calls_counted(self, instruction):
        """Directly, so that no linker replaces it; its own tick comes first (ways_past_the_entry)."""
        target = instruction.target()
        i = bisect.bisect_left(self.begins, target) if target is not None else len(self.begins)
        return i < len(self.begins) and self.begins[i] == target and ".cold" not in self.code.symbols.get(target, ".cold")

    def components(self):
        """Strongly connected sets of instructions that are cycles (Tarjan, without recursion)."""
        index, low, on_stack, stack, found = {}, {}, set(), [], []
        for root in self.nodes:
            if root in index:
                continue
            work = [(root, iter(self.successors[root]))]
            index[root] = low[root] = len(index)
            stack.append(root)
            on_stack.add(root)
            while work:
                node, rest = work[-1]
                for target in rest:
                    if target not in index:
                        index[target] = low[target] = len(index)
                        stack.append(target)
                        on_stack.add(target)
                        work.append((target, iter(self.successors[target])))
                        break
                    if target in on_stack:
                        low[node] = min(low[node], index[target])
                else:
                    work.pop()
                    if work:
                        low[work[-1][0]] = min(low[work[-1][0]], low[node])
                    if low[node] == index[node]:
                        members = set()
                        while (member := stack.pop()) != node:
                            members.add(member)
                        members.add(node)
                        on_stack -= members
                        if len(members) > 1 or node in self.successors[node]:
                            found.append(members)
        return found

    def ways_past_the_entry(self):
        """Where a function can call or be left without a tick: recursion would not count, and an instruction
        of a function that is called twice in a row would be executed twice between two ticks."""
        for begin, end in self.ranges:
            if ".cold" in self.code.symbols.get(begin, ".cold"):
                continue
            work, seen = [begin], set()
            while work:
                at = work.pop()
                if at in seen or not begin <= at < end:
                    continue
                seen.add(at)
                instruction = self.code.at[at]
                if instruction.op.startswith(("call", "ret")) or self._leaves(instruction, begin):
                    yield at
                    break
                work += self.successors[at]


    def _leaves(self, instruction, begin):
        """By a jump to another function, or into its own start again."""
        target = instruction.target()
        if not instruction.op.startswith("jmp") or target is None:
            return False
        return target == begin or target not in self.known or target in self.code.symbols


class Cycle:
    def __init__(self, graph, members):
        self.graph, self.members = graph, members
        self.instructions = [graph.code.at[at] for at in sorted(members)]

    def is_compare_and_swap(self):
        """Without its compare-and-swaps nothing of it is a cycle."""
        if any(i.op.startswith("call") for i in self.instructions):
            return False
        left = {i.at for i in self.instructions if not re.match(r"lock\s+cmpxchg", i.text)}
        return len(left) < len(self.members) and self._acyclic(left)

    def _acyclic(self, nodes):
        degree = dict.fromkeys(nodes, 0)
        for at in nodes:
            for target in self.graph.successors[at]:
                if target in degree:
                    degree[target] += 1
        ready = [at for at in nodes if degree[at] == 0]
        done = 0
        while ready:
            done += 1
            for target in self.graph.successors[ready.pop()]:
                if target in degree:
                    degree[target] -= 1
                    if degree[target] == 0:
                        ready.append(target)
        return done == len(degree)

    def _is_one_path(self):
        return all(sum(t in self.members for t in self.graph.successors[at]) == 1 for at in self.members)

    def is_string_operation(self):
        def any_is(pattern):
            return any(re.match(pattern, i.text) for i in self.instructions)
        counts = any_is(r"(add|sub)[lq]?\s+\$0x[0-9a-f]+,%|(inc|dec)[lq]?\s+%")
        stores = any_is(r"v?mov\w*\s+[^(]*,[^,]*\(.*\)$")
        computes_in_memory = any_is(r"(add|sub|inc|dec)\w*\s.*\)$")
        return (counts and stores and not computes_in_memory and self._is_one_path() and
                all(STRING_MOVES.match(i.op) for i in self.instructions))

    def is_stack_probe(self):
        moves = any(re.match(r"(sub|lea)q?\s.*0x1000.*%rsp$", i.text) for i in self.instructions)
        probes = any(re.match(r"(or|mov)[lq]\s+\$0x0,(0x[0-9a-f]+)?\(%rsp", i.text) for i in self.instructions)
        return moves and probes and self._is_one_path()

    def is_cleanup(self):
        if any("__cxa_begin_catch" in i.text for i in self.instructions):
            return False
        pads = {pad for pad in (self.graph.pad(at) for at in self.members) if pad is not None}
        return self._acyclic(self.members - pads) if pads & self.members else False

    def allowed(self):
        if self.is_compare_and_swap():
            return "compare-and-swap"
        if self.is_string_operation():
            return "string operation"
        if self.is_cleanup():
            return "cleanup"
        return "stack probe" if self.is_stack_probe() else None


def check(path, verbose):
    image = Image(path)
    code = Code(path)
    graph = Graph(image, code)
    problems, allowed = [], {}
    ticks = {at for at in graph.nodes if code.at[at].tick}
    for at in sorted(image.tick_sites() ^ ticks):
        problems.append(f"tick table and text disagree at {at:#x} in {code.name(at)}")
    for members in graph.components():
        cycle = Cycle(graph, members)
        if (why := cycle.allowed()) is not None:
            allowed[why] = allowed.get(why, 0) + 1
        else:
            problems.append(f"cycle without a tick in {code.name(min(members))}: "
                            f"{min(members):#x} to {max(members):#x}, {len(members)} instructions")
    for at in graph.ways_past_the_entry():
        problems.append(f"call or end before the first tick in {code.name(at)}: {at:#x}")
    if verbose:
        print(f"{path}: {len(graph.ranges)} functions, {len(ticks)} ticks, allowed: {allowed or 'nothing'}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("file")
    arguments = parser.parse_args()
    try:
        problems = check(arguments.file, arguments.verbose)
    except (Broken, OSError, KeyError, ValueError) as error:
        print(f"check_ticks: {arguments.file}: {error!r}", file=sys.stderr)
        return 2
    for problem in problems:
        print(f"check_ticks: {arguments.file}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
