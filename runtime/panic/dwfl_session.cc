// Opens elfutils' libdwfl on ourselves: modules as the dynamic linker lists them, registers and
// memory from our own address space.
//
// libdwfl's ready-made callbacks for a live process use ptrace and /proc; neither serves a process
// that looks at itself, and under the stage both would be calls on the tape.
#include "runtime/panic/dwfl_session.h"

#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstring>

#include "runtime/boot/boot.h"

namespace reprise::rt {

namespace {

UnwindInput input;
constexpr pid_t kTheThread = 1;

pid_t next_thread(Dwfl*, void*, void** thread_arg) {
  if (*thread_arg != nullptr) return 0;
  *thread_arg = &input;
  return kTheThread;
}

bool read_stack(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void*) {
  if (address < input.bounds.lo || address + sizeof *result > input.bounds.hi) return false;
  std::memcpy(result, input.bounds.at(address), sizeof *result);
  return true;
}

bool set_registers(Dwfl_Thread* thread, void*) {
  static_assert(sizeof(Dwarf_Word) == sizeof(uint64_t));
  constexpr unsigned kCount = sizeof input.registers.r / sizeof *input.registers.r;
  return dwfl_thread_state_registers(thread, 0, kCount, input.registers.r);
}

constexpr Dwfl_Thread_Callbacks kThreadCallbacks = {
    .next_thread = next_thread, .get_thread = nullptr, .memory_read = read_stack,
    .set_initial_registers = set_registers, .detach = nullptr, .thread_detach = nullptr};

// Debug information is looked for in the module's own file and where the system keeps it.
char* debuginfo_path = nullptr;
const Dwfl_Callbacks kCallbacks = {
    .find_elf = dwfl_build_id_find_elf, .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = nullptr, .debuginfo_path = &debuginfo_path};

// The executable's file. /proc/self/exe is the stage in a controlled run, AT_EXECFN may be relative
// to a directory long left in a direct one.
const char* executable_path() {
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  const bool controlled = stage_table() != nullptr;
  return controlled && name != nullptr && access(name, R_OK) == 0 ? name : "/proc/self/exe";
}

int report_module(dl_phdr_info* info, size_t, void* dwfl) {
  const bool main = info->dlpi_name == nullptr || *info->dlpi_name == '\0';
  const char* path = main ? executable_path() : info->dlpi_name;
  if (*path != '/' && !main) return 0;  // the vdso has no file
  // A module that cannot be opened has no names in the traceback; the others do.
  dwfl_report_elf(static_cast<Dwfl*>(dwfl), main ? "main" : path, path, -1, info->dlpi_addr, true);
  return 0;
}

Dwfl* open_session() {
  Dwfl* const dwfl = open_dwfl_session();
  if (dwfl == nullptr) return nullptr;
  dwfl_attach_state(dwfl, nullptr, getpid(), &kThreadCallbacks, &input);
  return dwfl;
}

}  // namespace

Dwfl* open_dwfl_session() {
  Dwfl* const dwfl = dwfl_begin(&kCallbacks);
  if (dwfl == nullptr) return nullptr;
  dwfl_report_begin(dwfl);
  dl_iterate_phdr(report_module, dwfl);
  dwfl_report_end(dwfl, nullptr, nullptr);
  return dwfl;
}

UnwindInput& unwind_input() { return input; }

Dwfl* dwfl_session() {
  static Dwfl* session = open_session();
  return session;
}

}  // namespace reprise::rt
