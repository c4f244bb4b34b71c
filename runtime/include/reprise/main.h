// REPRISE_MAIN: the program's main function, on a goroutine.
//
//   int app(int argc, char** argv) { … }
//   REPRISE_MAIN(app)
//
// defines main(): it brings the runtime up and runs app on the main goroutine, whose return value is
// the exit status. When app returns the process ends; other goroutines do not outlive it. `app` may
// also take no arguments, or return void.
//
// Once in a program, at namespace scope.
#pragma once

#include <type_traits>

// The boot sequence (asm/rt0_linux_amd64.S). Does not return.
extern "C" [[noreturn]] void reprise_rt0_go(int argc, char** argv, int (*app)(int, char**));

namespace reprise::detail {

template <auto App>
int run_app(int argc, char** argv) {
  if constexpr (std::is_invocable_r_v<int, decltype(App), int, char**>) {
    return App(argc, argv);
  } else if constexpr (std::is_invocable_r_v<int, decltype(App)>) {
    return App();
  } else {
    App();
    return 0;
  }
}

}  // namespace reprise::detail

#define REPRISE_MAIN(app) \
  int main(int argc, char** argv) { reprise_rt0_go(argc, argv, &::reprise::detail::run_app<&app>); }
