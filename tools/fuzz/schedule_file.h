// A schedule of the corpus: the decisions of a run, and what it showed.
//
// Text, so that a person can look at it and a diff can show it. The file's name is a hash of its contents:
// corpora merge by copying files, writers beside each other agree about what they both found, and whatever
// was changed, cut or half copied is known by its name. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/tape_file.h"

namespace reprise::fuzz {

struct Schedule {
  std::string program;       // the file's name alone
  uint64_t behaviour = 0;
  std::string failure;       // "KIND: MESSAGE" if it failed, else empty
  std::vector<tape::Record> decisions;
};

std::string written(const Schedule& schedule);
std::optional<Schedule> parsed(std::string_view text);
std::string name_of(std::string_view text);  // HASH.schedule

// The decisions on the tape of a run, at most tape::kMostPrefix of them.
std::vector<tape::Record> decisions_on(const trace::TapeFile& tape);

}  // namespace reprise::fuzz
