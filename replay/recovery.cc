// Recovery.
//
// The scribe moves Control.read only past records that are in the file, and each chunk says where on
// the tape it ends. So what is missing from the file is on the ring between the last chunk's tapeEnd
// and `written`, whole records only. A tape that is gone, or that does not join the file, costs those
// records and nothing else. The file keeps its frames; chunks and a footer are appended.
#include "replay/recovery.h"

#include <unistd.h>

#include "replay/tape_file.h"
#include "replay/trace_writer.h"

namespace reprise::trace {
namespace {

Error append_from_tape(const TapeFile& tape, TraceWriter& writer) {
  const tape::Control& control = tape.control();
  uint64_t at = writer.safe(), end = control.written;
  bool joins = at <= end && control.read <= at && end - at <= tape.ring_bytes();
  RecordView record;
  while (joins && at < end && record.parse({tape.at(at), end - at})) {
    at += record.size();
    if (Error e = writer.add(record, at)) return e;
  }
  return joins && at == end ? add_packed(control, writer) : Error{};
}

}  // namespace

Error recover(const std::string& path, uint64_t* records) {
  TraceWriter writer;
  bool complete = false;
  if (Error e = writer.resume(path, &complete)) return e;
  Footer footer;
  if (!complete) {
    TapeFile tape;
    footer.cut_off = "the recorder was killed";
    if (!tape.open(tape_path(path))) {
      if (Error e = append_from_tape(tape, writer)) return e;
      footer.events = tape.control().events;
      footer.fingerprint = tape.control().fingerprint;
    }
    if (Error e = writer.finish(footer)) return e;
  }
  unlink(tape_path(path).c_str());
  *records = writer.records();
  return {};
}

}  // namespace reprise::trace
