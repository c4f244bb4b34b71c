"""Goroutines in gdb: `info goroutines`, and `goroutine N COMMAND` in the place of goroutine N.

`reprise replay --gdb` loads it; elsewhere: source reprise-gdb.py. Nothing of the program is called and
no register is written: a parked goroutine's frames are shown by an unwinder that makes the saved
context the caller of the frame where the program stopped. Frame 1 is then where it parks.
"""

import gdb
import gdb.unwinder

GOROUTINES = "reprise::rt::sched.allgs"
STATUS_TEXTS = ("idle", "runnable", "running", "syscall", "waiting", "dead")
ROOMS = ("boot/", "chan/", "mem/", "panic/", "poll/", "sched/", "seam/", "signal/", "stage/", "sync/",
         "sys/", "time/")


def loaded(value):
    """What a std::atomic of libstdc++ holds; any other value as it is."""
    if value.type.strip_typedefs().code != gdb.TYPE_CODE_STRUCT:
        return value
    fields = {field.name for base in value.type.strip_typedefs().fields() if base.is_base_class
              for field in base.type.fields()} | {field.name for field in value.type.strip_typedefs().fields()}
    if "_M_b" in fields:
        return value["_M_b"]["_M_p"]
    return value["_M_i"]


class Death(gdb.Breakpoint):
    """The stage says that the program dies of the instruction it executes next: gdb is to stop there."""

    def stop(self):
        gdb.execute("handle SIGSEGV SIGILL stop print", to_string=True)
        return False


def watch_for_death():
    """`replay --gdb` notes where the stage says so, before it loads the program's symbols."""
    at_death = gdb.convenience_variable("reprise_at_death")
    if at_death is not None:
        Death(f"*{int(at_death):#x}", internal=True)


class Goroutine:
    """What a G says. REQUIRES: the program is stopped."""

    def __init__(self, g):
        context = g["ctx"]
        saved = context["sched"]
        self.goid = int(loaded(g["goid"]))
        self.status = STATUS_TEXTS[int(loaded(g["status"]))]
        self.reason = str(loaded(g["wait_reason"])).rsplit("::", maxsplit=1)[-1].replace("_", " ")
        self.system = bool(loaded(g["system"]))
        self.locked = int(loaded(g["locked_m"])) != 0
        self.parent = int(loaded(g["parent_goid"]))
        # gdb takes every caller's pc for a return address and looks one byte earlier.
        self.saved = {"rsp": int(saved["sp"]), "rbp": int(saved["bp"]), "rip": int(saved["pc"]) + 1}
        self.stack = range(int(context["stack_lo"]), int(context["stack_hi"]))

    def alive(self):
        return self.status not in ("idle", "dead") and not self.system

    def state(self):
        return self.reason if self.status == "waiting" else self.status


def goroutines():
    """All that are alive, in order of their ids."""
    try:
        pointer = loaded(gdb.parse_and_eval(GOROUTINES))
    except gdb.error as error:
        raise gdb.GdbError(f"no goroutines: the program has not started, or lacks symbols ({error})")
    while int(pointer) != 0:
        g = pointer.dereference()
        goroutine = Goroutine(g)
        if goroutine.alive():
            yield goroutine
        pointer = loaded(g["alllink"])


class Context(gdb.unwinder.Unwinder):
    """While it has a goroutine, that goroutine's context is the caller of the innermost frame."""

    class Id:
        def __init__(self, sp, pc):
            self.sp = sp
            self.pc = pc

    def __init__(self):
        super().__init__("reprise goroutine")
        self.saved = None
        self.innermost = None

    def __call__(self, pending):
        if self.saved is None:
            return None
        at = int(pending.read_register("rsp")), int(pending.read_register("rip"))
        if at != self.innermost:
            return None
        word = gdb.lookup_type("unsigned long")
        # gdb demands that stack addresses grow from frame to frame, whichever stack they are on.
        frame_id = Context.Id(gdb.Value(self.saved["rsp"] - 8).cast(word), gdb.Value(at[1]).cast(word))
        info = pending.create_unwind_info(frame_id)
        for name, value in self.saved.items():
            info.add_saved_register(name, gdb.Value(value).cast(word))
        return info

    def enter(self, saved):
        frame = gdb.newest_frame()
        self.innermost = int(frame.read_register("rsp")), int(frame.read_register("rip"))
        self.saved = saved
        gdb.invalidate_cached_frames()

    def leave(self):
        self.saved = None
        gdb.invalidate_cached_frames()


CONTEXT = Context()
gdb.unwinder.register_unwinder(None, CONTEXT, replace=True)


def thread_of(goroutine):
    """The thread whose stack pointer is on the goroutine's stack, or None."""
    selected = gdb.selected_thread()
    found = None
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            if int(gdb.newest_frame().read_register("rsp")) in goroutine.stack:
                found = thread
                break
    finally:
        selected.switch()
    return found


def in_place_of(goroutine, action):
    """Runs action(frame), in which frame is the goroutine's innermost, and selected."""
    selected, frame = gdb.selected_thread(), gdb.selected_frame()
    level = frame.level()
    thread = thread_of(goroutine)
    try:
        if thread is not None:
            thread.switch()
            place = gdb.newest_frame()
        else:
            CONTEXT.enter(goroutine.saved)
            place = gdb.newest_frame().older()
            if place is None:
                raise gdb.GdbError(f"goroutine {goroutine.goid}: its context cannot be unwound")
        place.select()
        return action(place)
    finally:
        CONTEXT.leave()
        selected.switch()
        back = gdb.newest_frame()
        while back.level() < level and back.older() is not None:
            back = back.older()
        back.select()


def is_runtime(frame):
    name, line = frame.name() or "", frame.find_sal()
    if not name or name.startswith(("reprise::rt::", "reprise_", "reprise::go<")):
        return True
    path = line.symtab.fullname() if line.symtab else ""
    return "/runtime/" in path and path.rsplit("/runtime/", 1)[1].startswith(ROOMS + ("include/",))


def user_line(frame):
    """"function file:line" of the first frame that is not the runtime's."""
    first = frame
    while frame is not None and is_runtime(frame):
        frame = frame.older()
    frame = frame or first
    line = frame.find_sal()
    place = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
    return f"{frame.name() or '??'}{place}"


def without_frame_0(output):
    """A backtrace without the frame where the program stopped, which is not the goroutine's."""
    start = output.find("\n#1 ")
    return output[start + 1:] if output.startswith("#0 ") and start >= 0 else output


class InfoGoroutines(gdb.Command):
    """info goroutines: each goroutine's id, state, and the line of the program where it is."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for goroutine in list(goroutines()):
            mark = "*" if goroutine.status == "running" else " "
            place = in_place_of(goroutine, user_line)
            locked = ", locked to thread" if goroutine.locked else ""
            print(f"{mark} {goroutine.goid} [{goroutine.state()}{locked}] {place}")


class InGoroutine(gdb.Command):
    """goroutine N COMMAND: runs COMMAND where goroutine N is, e.g. goroutine 7 bt. N may be `all`."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.partition(" ")
        if not command or not (which.isdigit() or which == "all"):
            raise gdb.GdbError("usage: goroutine N COMMAND, goroutine all COMMAND")
        chosen = [g for g in goroutines() if which == "all" or g.goid == int(which)]
        if not chosen:
            raise gdb.GdbError(f"no goroutine {which}")
        for goroutine in chosen:
            print(f"goroutine {goroutine.goid} [{goroutine.state()}]:")
            output = in_place_of(goroutine, lambda frame: gdb.execute(command, from_tty, to_string=True))
            print(without_frame_0(output) if thread_of(goroutine) is None else output, end="")


InfoGoroutines()
InGoroutine()
watch_for_death()
