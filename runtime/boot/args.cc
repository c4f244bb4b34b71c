// args and osinit: what the kernel handed over, and what the system says of itself.
//
// argc and argv come twice: from libc's main, and from the stack at the ELF entry, which main may no
// longer show as it was. They must agree; a program whose entry was replaced has no entry stack.
#include <sched.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstring>

#include "asm/asm.h"
#include "runtime/boot/boot_internal.h"
#include "runtime/sched/m.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

BootState boot_state;

void boot_advance(BootStep from, BootStep to) {
  if (boot_state.step != from) throw_("schedinit: a step ran out of order");
  boot_state.step = to;
}

BootStep boot_step() { return boot_state.step; }
const stage::Table* stage_table() { return boot_state.table; }
int boot_argc() { return boot_state.argc; }
char** boot_argv() { return boot_state.argv; }
int32_t ncpu() { return boot_state.ncpu; }
uint64_t page_bytes() { return boot_state.page_bytes; }
uint64_t boot_random() { return boot_state.random | 1; }

namespace {

const stage::Table* find_table() {
  const auto* table = reinterpret_cast<const stage::Table*>(getauxval(stage::kAuxTable));
  if (table == nullptr) return nullptr;
  if (table->abi_version != stage::kAbiVersion) {
    boot_usage_error("this program and the stage that loaded it are of different versions");
  }
  return table;
}

int32_t count_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

}  // namespace
}  // namespace reprise::rt

extern "C" {

void reprise_args(int argc, char** argv, const uint64_t* entry_stack) {
  using namespace reprise::rt;
  boot_advance(BootStep::none, BootStep::args);
  if (entry_stack != nullptr && entry_stack[0] != static_cast<uint64_t>(argc)) {
    throw_("args: main was called with other arguments than the kernel gave");
  }
  boot_state.argc = argc;
  boot_state.argv = argv;
}

void reprise_osinit() {
  using namespace reprise::rt;
  boot_advance(BootStep::args, BootStep::osinit);
  boot_state.table = find_table();
  if (boot_state.table != nullptr) reprise_clear_level = reprise_vector_level + 1;
  boot_state.ncpu = count_cpus();
  boot_state.page_bytes = getauxval(AT_PAGESZ);
  if (const auto* bytes = reinterpret_cast<const void*>(getauxval(AT_RANDOM))) {
    std::memcpy(&boot_state.random, bytes, sizeof boot_state.random);
  }
  minit(&reprise_m0);
}

}  // extern "C"
