// A number of Ps for a scope, in native mode; the number before comes back at its end.
#pragma once

#include <reprise/go.h>

namespace reprise::test {

class Procs {
 public:
  explicit Procs(int n) : before_(gomaxprocs(n)) {}
  ~Procs() { gomaxprocs(before_); }
  Procs(const Procs&) = delete;
  Procs& operator=(const Procs&) = delete;

 private:
  int before_;
};

}  // namespace reprise::test
