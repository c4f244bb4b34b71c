// What a trace says about its run, as plain values. The wire form is trace.capnp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace reprise::trace {

// An ELF file that the program ran from. `build_id` is in hex, empty if the file has none.
struct ObjectFile {
  std::string path;
  std::string build_id;
  uint64_t size_bytes = 0;
  uint64_t mtime_ns = 0;
  bool operator==(const ObjectFile&) const = default;
};

struct Limit {
  uint8_t resource = 0;
  uint64_t soft = 0, hard = 0;
  bool operator==(const Limit&) const = default;
};

struct Header {
  uint32_t format_version = 0;
  uint32_t tape_version = 0;
  std::string reprise_version;
  ObjectFile executable;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<std::string> redacted;
  std::string working_directory;
  std::vector<Limit> limits;
  std::string cpu;
  std::string kernel;
  std::string policy;
  uint64_t seed = 0;
  std::string flavour;
  uint32_t options = 0;
  int64_t started_unix_ns = 0;
  bool operator==(const Header&) const = default;
};

struct IndexEntry {
  uint64_t offset = 0;
  uint64_t first_record = 0;
  bool operator==(const IndexEntry&) const = default;
};

struct Footer {
  int32_t wait_status = 0;
  std::string cut_off;  // empty: complete
  bool ended = false;   // the last record is kEnd
  uint64_t fingerprint = 0;  // this and `events` as the stage counts
  uint64_t memory_hash = 0;
  uint64_t events = 0;
  uint64_t records = 0;
  uint64_t input_bytes = 0;
  std::map<uint16_t, uint64_t> counts;
  std::vector<IndexEntry> chunks;
  std::vector<ObjectFile> objects;
  uint64_t duration_ns = 0;
  uint64_t input_frame_bytes = 0;
  bool operator==(const Footer&) const = default;

  uint64_t decisions() const;  // events that are decisions of the seam
};

}  // namespace reprise::trace
