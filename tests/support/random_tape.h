// Random streams of tape records, and traces made of them, for tests of replay/.
//
// Deterministic in the seed: independent of libraries' distributions, so that a failure's seed
// reproduces it anywhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "replay/records.h"
#include "replay/trace_types.h"

namespace reprise::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t n) { return next() % n; }

 private:
  uint64_t state_;
};

// `count` records in tape layout: every kind there is, several threads, values of all magnitudes,
// none to many segments, some up to `largest` bytes.
std::vector<std::byte> random_records(uint64_t seed, size_t count, size_t largest);

// The stream as a trace gives it back: checks that are not kept are 0.
std::vector<std::byte> as_kept(trace::Bytes records);

// A header with every field set.
trace::Header sample_header();

// Writes a trace of `records` to `path`, flushing after every `flush_every` of them (0: never).
void write_trace(const std::string& path, trace::Bytes records, size_t flush_every);

// All records of a trace, one after the other; the error's text, if any, in *error.
std::vector<std::byte> read_trace(const std::string& path, std::string* error);

// A folder that is removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);

}  // namespace reprise::test
