// What this processor says it has of what no replay can repeat, and where it says that it runs.
#include <cpuid.h>

#include <cstdio>
#include <thread>

namespace {

unsigned initial_apic() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  return ebx >> 24;
}

void say() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0, ebx7 = 0, ecx7 = 0;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  __get_cpuid_count(7, 0, &eax, &ebx7, &ecx7, &edx);
  std::printf("rdrand %u rdseed %u rdpid %u rtm %u apic %u\n", ecx >> 30 & 1, ebx7 >> 18 & 1, ecx7 >> 22 & 1,
              ebx7 >> 11 & 1, initial_apic());
}

}  // namespace

int main() {
  say();
  std::thread(say).join();
}
