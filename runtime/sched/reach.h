// What can be reached from where, by words that may be pointers: goroutines' stacks and blocks of the program's malloc.
//
// Conservative: any word is a pointer to whatever its low 48 bits lie in, at the beginning or inside. Memory that is neither of a
// stack nor of a block (globals, mappings, the collected heap, what the runtime allocates) is not followed but is all taken for
// reachable; its owner scans it once. Free blocks and free stacks are not looked at.
//
// Where malloc is libc's, nobody knows what its blocks are, and all of its memory is taken for reachable. Objects that were announced
// (expect()) are reached there too only by words that point to them, and, in known blocks, not by one that may point behind the end
// of the block before.
//
// What a wait puts into memory for its waker alone is no way to reach the waiter: its G, and the sudogs of G::waiting. The stack
// of a goroutine is reached, whole, by any other word that points above its stack pointer.
//
// Thread safety: g0, under the baton, with all other goroutines standing; nothing may be allocated or freed but by
// itself, and that within a seam::PolicyMemory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "runtime/mem/arena.h"
#include "runtime/mem/stack.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

class Reach {
 public:
  // kWords looks at aligned words only; kBytes at words at every address, and takes one past an end for inside: eight times as slow.
  enum class Care : uint8_t { words, bytes };
  // Null: malloc is libc's.
  Reach(mem::Arena* blocks, Care care) : blocks_(blocks), care_(care), stack_bytes_(stack_arena_end() - kStacks) {}

  // All goroutines that have a stack, before anything is scanned.
  void add(const G* gp);
  // An object of malloc's which its block holds in its middle, and which is only pointed to as such. Before anything is scanned too.
  void expect(uintptr_t begin, uintptr_t end);
  void seal();

  // What the words of a range lead to.
  void scan(uintptr_t begin, uintptr_t end);
  // What the goroutine leads to: its stack and its G.
  void scan_goroutine(const G* gp);
  // Whether an address lies in memory that was reached so far.
  bool reached(const void* address);

 private:
  // What is kept lies in memory that may be scanned, now or by another look when it is free: as complements of addresses.
  class Range {
   public:
    Range(uintptr_t begin, uintptr_t end) : not_begin_(~begin), not_end_(~end) {}
    uintptr_t begin() const { return ~not_begin_; }
    uintptr_t end() const { return ~not_end_; }
    bool contains(uintptr_t address) const { return address >= begin() && address < end(); }

   private:
    uintptr_t not_begin_, not_end_;
  };
  struct StackOf {
    uintptr_t lo;
    Range used;  // from the saved stack pointer to the G
    const G* gp;
    bool reached = false;
  };
  struct Object {
    Range range;
    bool reached = false;
  };

  bool in_stacks(uintptr_t address) const { return address - kStacks < stack_bytes_; }
  StackOf* stack_at(uintptr_t address);
  Object* object_at(uintptr_t address);
  void look(uintptr_t word, bool behind_end);
  void look_at_stack(StackOf* stack, uintptr_t address);
  void look_at_bytes(uintptr_t from, uintptr_t end);
  void read(Range range);
  void follow();

  mem::Arena* const blocks_;
  const Care care_;
  const uintptr_t stack_bytes_;
  std::vector<StackOf> stacks_;          // by address, once sealed
  std::vector<Object> objects_;          // by address, once sealed
  std::unordered_set<uintptr_t> marked_;  // beginnings of blocks
  std::vector<Range> to_read_;
};

}  // namespace reprise::rt
