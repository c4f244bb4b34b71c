// Plugins of init_test; which one is INIT_PLUGIN_KIND's matter: 1 as it should be, 2 a cycle, 3 a name that nobody
// defines, 4 a name that the program has, 5 a task that panics the first time.
#include <reprise/go.h>
#include <reprise/init.h>
#include <reprise/panic.h>

extern "C" void init_test_note(const char* name);

#if INIT_PLUGIN_KIND == 1
REPRISE_INIT(plugin_last, plugin_middle, last) { init_test_note("plugin last"); }
REPRISE_INIT(plugin_middle, plugin_first) {
  reprise::yield();
  init_test_note("plugin middle");
}
REPRISE_INIT(plugin_first, uses_goroutines) { init_test_note("plugin first"); }
extern "C" [[gnu::visibility("default")]] int plugin_answer() { return 42; }
#elif INIT_PLUGIN_KIND == 2
REPRISE_INIT(round, and_round) { init_test_note("never"); }
REPRISE_INIT(and_round, round) { init_test_note("never"); }
#elif INIT_PLUGIN_KIND == 3
REPRISE_INIT(lonely, nobody) { init_test_note("never"); }
#elif INIT_PLUGIN_KIND == 4
REPRISE_INIT(first) { init_test_note("never"); }
#else
REPRISE_INIT(panics_once) {
  static bool again = false;
  init_test_note("tried");
  if (!std::exchange(again, true)) reprise::panic("not yet");
}
#endif
