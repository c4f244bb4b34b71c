// SIGINT and SIGTERM between runs: a command that makes many runs ends after the one under way.
//
// While a StopRequest lives they are noted and end nothing. During a run the scribe has them first: it gives
// SIGTERM to the program, and raises both again when the run is over. What is ignored stays ignored, because
// the program inherits that. One at a time in a process, on its main thread.
#pragma once

#include <signal.h>

#include <cstddef>

namespace reprise::cli {

inline constexpr int kInterrupted = 130;  // the exit status if a StopRequest came and no run says otherwise

class StopRequest {
 public:
  StopRequest() {
    signal_ = 0;
    struct sigaction note {};
    note.sa_handler = [](int sig) { signal_ = sig; };
    note.sa_flags = SA_RESTART;
    for (size_t i = 0; i < 2; ++i) {
      sigaction(kSignals[i], nullptr, &former_[i]);
      if (former_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &note, nullptr);
    }
  }
  ~StopRequest() {
    for (size_t i = 0; i < 2; ++i) sigaction(kSignals[i], &former_[i], nullptr);
  }
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  static bool came() { return signal_ != 0; }

 private:
  static constexpr int kSignals[2] = {SIGINT, SIGTERM};
  inline static volatile sig_atomic_t signal_ = 0;
  struct sigaction former_[2] {};
};

}  // namespace reprise::cli
