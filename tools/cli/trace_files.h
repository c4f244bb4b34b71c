// A trace and the files around it: a recording that was killed, the binaries it ran, a pack.
#pragma once

#include <string>
#include <vector>

#include "replay/error.h"
#include "replay/trace_reader.h"

namespace reprise::cli {

// Opens a trace. Where only NAME.part (and NAME.tape) of a killed recorder is left, finishes the
// trace from them first, and says so.
trace::Error open_trace(const std::string& path, trace::TraceReader& reader);

// NAME.pack, the directory that `reprise pack` makes: empty if there is none beside the trace.
std::string pack_root_of(const std::string& path);

// Whether executable and libraries are the recorded ones, below `pack_root` or where they were.
trace::Error check_objects(trace::TraceReader& reader, const std::string& pack_root);

// All ELF files that the trace names. Reads chunks if there is no footer.
trace::Error objects_of(trace::TraceReader& reader, std::vector<trace::ObjectFile>& out);

}  // namespace reprise::cli
