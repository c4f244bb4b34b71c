// Follows seam::GoroutineList through the memory of a halted program and unwinds each goroutine.
//
// Parked goroutines are unwound from their saved contexts, which hold rsp, rip and rbp; the rest lies
// on their stacks, where call frame information says. The thread that halted is unwound from the
// stage's registers, through the stage, into the goroutine that it ran: a goroutine counts as that
// thread's if the unwinding read its stack. Goroutines that run on other threads, which a run under
// the stage has only inside calls that block, are named without a stack.
//
// A list that makes no sense, or does not end, is the program's own doing: what was read is printed.
#include "tools/cli/goroutines.h"

#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <sys/uio.h>

#include <array>
#include <cstring>
#include <map>
#include <vector>

#include "runtime/panic/source_frames.h"
#include "runtime/seam/goroutine_list.h"

namespace reprise::cli {
namespace {

constexpr size_t kMaxFrames = 100;
constexpr size_t kMaxGoroutines = 1'000'000;
using Registers = std::array<uint64_t, 17>;  // by DWARF number

// The program's memory, a page at a time: unwinding reads word after word.
class Memory {
 public:
  explicit Memory(pid_t pid) : pid_(pid) {}

  bool read(uint64_t address, void* to, size_t size) {
    auto* out = static_cast<std::byte*>(to);
    while (size > 0) {
      const uint64_t page = address & ~(kPage - 1);
      if (page != page_ && !load(page)) return false;
      const size_t n = std::min<size_t>(size, page + kPage - address);
      std::memcpy(out, bytes_.data() + (address - page), n);
      out += n;
      address += n;
      size -= n;
    }
    return true;
  }

  template <class T>
  T get(uint64_t address) {
    T value{};
    if (!read(address, &value, sizeof value)) return T{};
    return value;
  }

 private:
  static constexpr uint64_t kPage = 4096;

  bool load(uint64_t page) {
    iovec to{bytes_.data(), kPage}, from{reinterpret_cast<void*>(page), kPage};
    const bool read = process_vm_readv(pid_, &to, 1, &from, 1, 0) == static_cast<ssize_t>(kPage);
    page_ = read ? page : kNone;
    return read;
  }

  static constexpr uint64_t kNone = 1;
  pid_t pid_;
  uint64_t page_ = kNone;
  std::array<std::byte, kPage> bytes_;
};

constexpr Dwfl_Callbacks kCallbacks = {
    .find_elf = dwfl_linux_proc_find_elf, .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = nullptr, .debuginfo_path = nullptr};

// libdwfl on the halted program: its modules, its memory, and whatever registers are asked about.
class Unwinder {
 public:
  Unwinder(pid_t pid, Memory& memory) : memory_(memory), dwfl_(dwfl_begin(&kCallbacks)) {
    if (dwfl_ == nullptr) return;
    dwfl_report_begin(dwfl_);
    dwfl_linux_proc_report(dwfl_, pid);
    dwfl_report_end(dwfl_, nullptr, nullptr);
    dwfl_attach_state(dwfl_, nullptr, pid, &kThread, this);
  }
  ~Unwinder() { dwfl_end(dwfl_); }
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;

  // Program counters, innermost first. The end of a stack is reported as an error; what counts is how
  // far it came.
  std::vector<uint64_t> frames(const Registers& start) {
    start_ = start;
    pcs_.clear();
    touched_.clear();
    if (dwfl_ != nullptr) dwfl_getthread_frames(dwfl_, kTheThread, collect, this);
    return pcs_;
  }

  // Whether the last unwinding read between the two.
  bool touched(uint64_t lo, uint64_t hi) const {
    const auto at = touched_.lower_bound(lo);
    return at != touched_.end() && at->first < hi;
  }

  // The source-level frames at a program counter.
  const std::vector<rt::SourceFrame>& source(uint64_t pc, bool exact) {
    auto [at, fresh] = known_.try_emplace({pc, exact});
    if (fresh) at->second = rt::source_frames(dwfl_, pc, exact);
    return at->second;
  }

 private:
  static constexpr pid_t kTheThread = 1;

  static pid_t next_thread(Dwfl*, void* self, void** thread) {
    if (*thread != nullptr) return 0;
    *thread = self;
    return kTheThread;
  }
  static bool read_word(Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* self) {
    auto* unwinder = static_cast<Unwinder*>(self);
    unwinder->touched_[address] = true;
    return unwinder->memory_.read(address, word, sizeof *word);
  }
  static bool set_registers(Dwfl_Thread* thread, void* self) {
    return dwfl_thread_state_registers(thread, 0, std::tuple_size_v<Registers>,
                                       static_cast<Unwinder*>(self)->start_.data());
  }
  static int collect(Dwfl_Frame* frame, void* self) {
    auto& pcs = static_cast<Unwinder*>(self)->pcs_;
    Dwarf_Addr pc = 0;
    bool exact = false;
    if (pcs.size() == kMaxFrames || !dwfl_frame_pc(frame, &pc, &exact)) return DWARF_CB_ABORT;
    pcs.push_back(pc);
    return DWARF_CB_OK;
  }

  static constexpr Dwfl_Thread_Callbacks kThread = {
      .next_thread = next_thread, .get_thread = nullptr, .memory_read = read_word,
      .set_initial_registers = set_registers, .detach = nullptr, .thread_detach = nullptr};

  Memory& memory_;
  Dwfl* dwfl_;
  Registers start_{};
  std::vector<uint64_t> pcs_;
  std::map<uint64_t, bool> touched_;
  std::map<std::pair<uint64_t, bool>, std::vector<rt::SourceFrame>> known_;
};

// Also the stage and the policy, through which the thread that halted came.
bool is_ours(const rt::SourceFrame& frame) {
  const std::string& function = frame.function;
  return rt::is_runtime_frame(frame) || frame.file.find("/tools/wiring/") != std::string::npos || function.starts_with("reprise::seam::") ||
         function.starts_with("reprise::stage::") || function.starts_with("reprise::replay::") ||
         function.starts_with("stage_");
}

// One goroutine, as its G says.
struct Goroutine {
  uint64_t goid, parent, spawn_pc;
  std::string status, reason;
  bool locked, system;
  Registers saved{};
  uint64_t stack_lo, stack_hi;
};

class Report {
 public:
  Report(pid_t pid, const tape::Control& control) : control_(control), memory_(pid), unwinder_(pid, memory_) {}

  std::string text(Which which) {
    if (control_.goroutines == 0 || !memory_.read(control_.goroutines, &list_, sizeof list_)) return {};
    if (list_.version != seam::GoroutineList::kVersion) return {};
    std::string out;
    size_t count = 0;
    for (uint64_t g = memory_.get<uint64_t>(list_.first); g != 0 && count < kMaxGoroutines; ++count) {
      const Goroutine goroutine = read(g);
      const bool alive = goroutine.status != seam::kStatusDead && goroutine.status != seam::kStatusIdle;
      const bool running = goroutine.status == seam::kStatusRunning;
      if (alive && !goroutine.system && (which == Which::all || running)) out += describe(goroutine, which);
      g = memory_.get<uint64_t>(g + list_.next);
    }
    return out;
  }

 private:
  template <size_t N, size_t M>
  static std::string text_at(const char (&texts)[N][M], uint64_t index) {
    return index < N ? std::string(texts[index], strnlen(texts[index], M)) : std::string("?");
  }

  Goroutine read(uint64_t g) {
    const auto word = [&](uint32_t offset) { return memory_.get<uint64_t>(g + offset); };
    Goroutine out{};
    out.goid = word(list_.goid);
    out.parent = word(list_.parent_goid);
    const uint64_t site = word(list_.spawn_site);
    out.spawn_pc = site == 0 ? 0 : site + list_.site_base;
    out.status = text_at(list_.status_texts, memory_.get<uint32_t>(g + list_.status));
    out.reason = text_at(list_.reason_texts, memory_.get<uint8_t>(g + list_.wait_reason));
    out.locked = word(list_.locked) != 0;
    out.system = memory_.get<uint8_t>(g + list_.system) != 0;
    out.saved[6] = word(list_.bp);
    out.saved[7] = word(list_.sp);
    out.saved[16] = word(list_.pc);
    out.stack_lo = word(list_.stack_lo);
    out.stack_hi = word(list_.stack_hi);
    return out;
  }

  // Empty: a goroutine that another thread runs is not what was asked for.
  std::string describe(const Goroutine& g, Which which) {
    const bool waits = g.status == seam::kStatusWaiting;
    std::string out = fmt::format("\ngoroutine {} [{}]{}:\n", g.goid, waits ? g.reason : g.status,
                                  g.locked ? ", locked to thread" : "");
    if (g.status != seam::kStatusRunning) {
      out += stack(unwinder_.frames(g.saved));
    } else {
      Registers halted;
      std::copy(std::begin(control_.halt_registers), std::end(control_.halt_registers), halted.begin());
      const std::vector<uint64_t> pcs = unwinder_.frames(halted);
      if (unwinder_.touched(g.stack_lo, g.stack_hi)) {
        out += stack(pcs);
      } else if (which == Which::running) {
        return {};
      } else {
        out += "\tgoroutine running on another thread; stack unavailable\n";
      }
    }
    if (g.spawn_pc != 0 && g.parent != 0) out += creator(g);
    return out;
  }

  // Without the runtime's frames, unless nothing else is there.
  std::string stack(const std::vector<uint64_t>& pcs) {
    for (const bool all : {false, true}) {
      std::string out;
      for (size_t i = 0; i < pcs.size(); ++i) {
        for (const rt::SourceFrame& frame : unwinder_.source(pcs[i], i == 0)) {
          if (all || !is_ours(frame)) out += rt::frame_text(frame);
        }
      }
      if (!out.empty()) return out;
    }
    return {};
  }

  std::string creator(const Goroutine& g) {
    for (const rt::SourceFrame& frame : unwinder_.source(g.spawn_pc, false)) {
      if (!is_ours(frame)) return rt::frame_text(frame, g.parent);
    }
    return {};
  }

  const tape::Control& control_;
  Memory memory_;
  Unwinder unwinder_;
  seam::GoroutineList list_;
};

}  // namespace

std::string goroutine_report(pid_t pid, const tape::Control& control, Which which) {
  return Report(pid, control).text(which);
}

}  // namespace reprise::cli
