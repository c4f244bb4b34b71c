// How runs end, in words and as this process's own end.
#pragma once

#include <string>

#include "replay/scribe.h"

namespace reprise::cli {

// "exited with 3", "was killed by signal 11 (Segmentation fault)".
std::string describe(int wait_status);

// Ends this process as a program with this wait status ended: returns its exit code, or raises its
// signal, without a second core dump.
int end_as(int wait_status);

// One line on stderr, prefixed "reprise: ".
void say(const std::string& line);

// Writes one line to the --status-file, if there is one.
void write_status(const std::string& path, const std::string& line);

// The verdict and text that the stage left in Control. *status is the exit status it calls for, or
// -1 if the program ended by itself. Says the text on stderr, and the report of goroutines after it.
void stage_verdict(const tape::Control& control, bool replaying, const std::string& goroutines,
                   int* status);

// If the stage ends the run, *report becomes the goroutines of that moment (goroutines.h): all of
// them where a run was stopped or is stuck, else the one that ran. REQUIRES: before scribe.start();
// `control` and `report` outlive the run.
void report_goroutines_of(trace::Scribe& scribe, const tape::Control& control, std::string* report);

// "1,234,567"
std::string grouped(uint64_t n);

// A word for a shell: quoted if it has to be.
std::string shell_word(const std::string& word);

}  // namespace reprise::cli
