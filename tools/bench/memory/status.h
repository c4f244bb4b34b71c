// What the kernel says of this process's memory and threads, for benchmarks that report it.
//
// Thread safety: any thread.
#pragma once

#include <fstream>
#include <string>

namespace reprise::bench {

struct Memory {
  long resident_kib = 0, page_tables_kib = 0, threads = 0;
};

inline Memory measure() {
  Memory memory;
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    if (key == "VmRSS:") status >> memory.resident_kib;
    if (key == "VmPTE:") status >> memory.page_tables_kib;
    if (key == "Threads:") status >> memory.threads;
  }
  return memory;
}

}  // namespace reprise::bench
