// Names of memory.
//
// An allocation is a number in its cells and an entry here: name and first byte. A goroutine's stack is an
// entry too, made when somebody else touches it. What lies in a module is named by the module's place in
// the loader's list, which is the same in every run of one binary; anything else (a mapping, a block from
// before the schedule) gets an entry a cell, named by the goroutine that touched it first.
#include "runtime/race/objects.h"

#include <link.h>

#include <algorithm>

#include "runtime/race/memory.h"
#include "runtime/race/threads.h"
#include "runtime/sched/site.h"
#include "runtime/seam/names.h"

namespace reprise::race {

uint64_t thread_local_below = 0;

namespace {

struct Entry {
  uint64_t name;
  uint64_t base;
};

constexpr uint32_t kMaxEntries = 1u << 28;
constexpr uint64_t kIndexes = uint64_t{1} << 40;  // apart from the goroutine's other objects
constexpr uint64_t kStackName = 0x535441434b;
constexpr uint64_t kModuleName = 0x4d4f44554c45;
constexpr size_t kMaxMarked = 1 << 20;  // larger blocks belong to everybody at once

Entry* entries = nullptr;
uint32_t next_entry = 1;

struct Module {
  uint64_t lo, hi;
};
constexpr size_t kMaxModules = 128;
Module modules[kMaxModules];
size_t module_count = 0;
int note_module(dl_phdr_info* info, size_t, void*) {
  Module module{UINT64_MAX, 0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD) {
      module.lo = std::min(module.lo, info->dlpi_addr + segment.p_vaddr);
      module.hi = std::max(module.hi, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
    } else if (segment.p_type == PT_TLS && info->dlpi_tls_data != nullptr) {
      const uint64_t below = thread_pointer() - reinterpret_cast<uint64_t>(info->dlpi_tls_data);
      if (below < uint64_t{1} << 20) thread_local_below = std::max(thread_local_below, below);
    }
  }
  if (module_count < kMaxModules) modules[module_count++] = module;
  return 0;
}

uint32_t new_entry(uint64_t name, uint64_t base) {
  if (next_entry == kMaxEntries) return 0;
  entries[next_entry] = {name, base};
  return next_entry++;
}

uint64_t fresh_name(Task* task) { return seam::object_name(task->name, kIndexes + task->objects++).name; }

uint64_t stack_name(seam::GoId whose) { return seam::mix(whose.lo ^ kStackName); }

// What nobody allocated, touched by another than its owner.
uint32_t foreign_entry(Task* task, uint64_t address) {
  if (const rt::G* gp = goroutine_at(address)) return new_entry(stack_name(gp->name), gp->ctx.stack_hi);
  if (const Task* thread = thread_at(address)) return new_entry(stack_name(thread->name), thread->hi);
  return new_entry(fresh_name(task), address & ~uint64_t{7});
}

}  // namespace

void objects_init() {
  entries = reserve_array<Entry>(kMaxEntries);
  dl_iterate_phdr(note_module, nullptr);
}

void objects_forget() { next_entry = 1; }

// The executable is the first of the modules.
seam::Site code_site(const void* pc) {
  const auto at = reinterpret_cast<uint64_t>(pc);
  if (module_count == 0 || at < modules[0].lo || at >= modules[0].hi) return 0;
  return at - (rt::pc_of(1) - 1);
}

seam::ObjectId object_of(Task* task, Cell* cell, uint64_t address) {
  if (address >= task->lo && address < task->hi) return {stack_name(task->name), task->hi - address};
  // Nothing in a module has an entry, so what has one need not be looked for there.
  for (size_t i = 0; i < module_count && cell->allocation == 0; ++i) {
    if (address >= modules[i].lo && address < modules[i].hi) return {kModuleName + i, address - modules[i].lo};
  }
  if (cell->allocation == 0) cell->allocation = foreign_entry(task, address);
  const Entry& entry = entries[cell->allocation];
  return {entry.name, entry.base > address ? entry.base - address : address - entry.base};
}

void mark_block(Task* task, uint64_t address, size_t bytes) {
  if (bytes == 0) return;
  if (task == nullptr || bytes > kMaxMarked) return clear_range(address, bytes);
  const uint32_t allocation = new_entry(fresh_name(task), address);
  for (uint64_t at = address; at < address + bytes; at += 8) {
    Cell* cell = cell_of(at);
    empty(cell);
    cell->owner = task->owner;
    cell->allocation = allocation;
  }
}

// Cells that were never touched stay so: a fresh page would be made for each.
void clear_range(uint64_t address, size_t bytes) {
  for (uint64_t at = address & ~uint64_t{7}; at < address + bytes; at += 8) {
    Cell* cell = cell_of(at);
    const bool kept = (cell->past[0].when | cell->past[1].when | cell->past[2].when) != 0;
    if (kept || cell->owner != kUnknown || cell->allocation != 0 || cell->more != 0) empty(cell);
  }
}

}  // namespace reprise::race
