// What counts as a failure of a run, and when two failures are the same.
//
// A signature is made of the kind, the message without what changes from run to run (numbers, addresses), and
// where the goroutines were: for a deadlock all of them, else the one that failed. Pure functions, any
// thread.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "tools/fuzz/fork_server.h"

namespace reprise::fuzz {

// What a run may not do. A run that hangs or livelocks always fails.
struct FailWhen {
  bool exit = true;     // ends with a status that is not 0; panics and deadlocks do
  bool signal = true;   // is killed by a signal
  bool leak = true;     // main returns while goroutines wait, and nothing is left that could wake anybody
  bool any_leak = false;  // main returns while goroutines wait whom nothing that is left can wake
  bool race = true;     // checked code: reports a data race
  std::optional<std::regex> output;
};

// Parses `exit`, `signal`, `leak`, `leak=any`, `race`, `output=REGEX`. False and *why for anything else.
bool parse_fail_when(const std::vector<std::string>& words, FailWhen* out, std::string* why);

struct Failure {
  std::string kind;      // "deadlock", "panic", "signal", "exit", "hang", ...
  std::string message;   // one line
  std::string site;      // file:line, or several; empty if nobody knows
  std::string text;      // what the run printed, or where its goroutines were
  uint64_t signature = 0;
};

// Nothing if the run did not fail. `output` may be asked for once.
std::optional<Failure> failure_of(const Run& run, const ForkServer& server, const FailWhen& when);

// A text without numbers and addresses.
std::string normalised(std::string_view text);

// Of a traceback in Reprise's form: where each goroutine was, without the runtime's own frames.
std::vector<std::string> sites_of(std::string_view traceback);

// Of the first report of a data race in the text: what each of the two did, and where. Empty: there is none.
std::vector<std::string> sites_of_race(std::string_view text);

}  // namespace reprise::fuzz
