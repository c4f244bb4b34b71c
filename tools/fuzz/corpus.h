// The corpus directory: schedules that are worth running again.
//
// Any number of campaigns may use one directory at a time: a file appears whole, under a name that its
// contents fix, and is never changed. A file that is not what its name says is left where it is and passed
// over. If nothing can be written any more the campaign goes on without.
//
// Thread safety: open() before all else; the rest from one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "tools/fuzz/schedule_file.h"

namespace reprise::fuzz {

class Corpus {
 public:
  // Makes the directory if it is not there, and reads the schedules of this program. False and *why if it
  // cannot be read. What is passed over is told in `warnings`.
  bool open(const std::string& directory, const std::string& program, std::string* why,
            std::vector<std::string>* warnings);

  // Failing ones first.
  const std::vector<Schedule>& schedules() const { return schedules_; }

  // Keeps a schedule, unless nothing can be written. False and *why the first time that fails.
  bool add(const Schedule& schedule, std::string* why);

  uint64_t added() const { return added_; }

 private:
  std::string directory_;
  std::vector<Schedule> schedules_;
  uint64_t added_ = 0;
  bool broken_ = false;
};

}  // namespace reprise::fuzz
