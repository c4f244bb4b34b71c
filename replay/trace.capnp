@0xd1c0f3b6a7e85421;
# The messages of a trace (FORMAT.md). Field numbers are never reused; a field that loses its
# meaning keeps its name and says since which format version it is ignored.
#
# Units are in the names. Limits that a reader enforces stand beside the field.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("reprise::trace::schema");

struct ObjectFile {
  # An ELF file that the program ran from: executable, dynamic linker, shared objects.
  path @0 :Text;           # absolute, as mapped
  buildId @1 :Data;        # NT_GNU_BUILD_ID, at most 64 bytes; empty if the file has none
  sizeBytes @2 :UInt64;
  mtimeNs @3 :UInt64;
}

struct Limit {
  resource @0 :UInt8;      # RLIMIT_*
  soft @1 :UInt64;
  hard @2 :UInt64;
}

struct Header {
  formatVersion @0 :UInt32;
  tapeVersion @1 :UInt32;
  repriseVersion @2 :Text;
  executable @3 :ObjectFile;
  arguments @4 :List(Text);
  environment @5 :List(Text);   # NAME=value; a redacted value is empty
  redacted @6 :List(Text);      # names whose value is not in the trace
  workingDirectory @7 :Text;
  limits @8 :List(Limit);
  cpu @9 :Text;                 # vendor, family, model, and the features that pick code at load time
  kernel @10 :Text;
  policy @11 :Text;
  seed @12 :UInt64;
  flavour @13 :Text;            # plain, counted or checked
  options @14 :UInt32;          # tape::Option bits of the recording
  startedUnixNs @15 :Int64;
}

struct Column {
  # `count` integers of one field of one shape.
  encoding @0 :Encoding;
  base @1 :Int64;
  bytes @2 :Data;

  enum Encoding {
    constant @0;   # every one is `base`; bytes is empty
    byte @1;       # base + one unsigned byte each
    varint @2;     # base + an unsigned LEB128 each
    delta @3;      # zigzag LEB128 of the difference from the one before, the first from `base`
    raw @4;        # 8 bytes each, little-endian
    scaled @5;     # lengths only: `base` times the record's value; bytes is empty
  }
}

struct Shape {
  # Records of a chunk that look alike.
  kind @0 :UInt16;
  thread @1 :UInt8;
  segments @2 :UInt8;
  count @3 :UInt32;
  values @4 :Column;
  checks @5 :Column;            # 0 for a check that was not kept
  lengths @6 :List(Column);     # one for each segment
  starts @7 :List(Column);      # since version 4, one for each segment or none at all: how many bytes at the
                                # start are those at the start of this segment in the shape's record before, in
                                # this chunk, and are not in the Inputs frame; at most its length. None: 0
  ends @8 :List(Column);        # the same at the end; with `starts` at most the segment's length
}

struct Chunk {
  # Whole records, in order. The bytes of their segments are in the Inputs frame before this one,
  # grouped: for each shape, for each of its segments, that segment's bytes of each record, without what
  # `starts` and `ends` count. Segments of a chunk have at most 32 MiB in all.
  firstRecord @0 :UInt64;       # records before this chunk
  records @1 :UInt32;           # at most 1 << 17
  tapeEnd @2 :UInt64;           # position on the tape (Control.written) after the last record
  shapes @3 :List(Shape);       # at most 1 << 16
  order @4 :Data;               # ignored since version 3: the shape of each record: 1 byte, or 2 if there are more than 256, or
                                # 2 bits, the first lowest, if there are at most 4 (version 1: a byte)
  objects @5 :List(ObjectFile); # mapped for the first time in this chunk
  tokens @6 :Data;              # since version 3. Below 0xc0 a decision of the current thread, its kind above
                                # 0x400 in the upper four bits, its value in the lower; 0xc0 to 0xfe a record
                                # of shape 0 to 62; 0xff a record of the shape in the next two bytes. A shape
                                # of kind 0x42d (kDecisions) makes its thread the current one, which at first
                                # is 0; it has no columns
}

struct Inputs {
  bytes @0 :Data;
}

struct KindCount {
  kind @0 :UInt16;
  count @1 :UInt64;
}

struct IndexEntry {
  offsetBytes @0 :UInt64;       # of the Chunk frame in the file
  firstRecord @1 :UInt64;
}

struct Footer {
  # The run ended, and the trace holds all of it unless cutOff says otherwise.
  waitStatus @0 :Int32;         # as wait() gives it
  cutOff @1 :Text;              # empty: complete. Else why records are missing at the end
  ended @2 :Bool;               # the last record is kEnd: the program left by itself
  fingerprint @3 :UInt64;       # as the stage counted it up to the last event
  memoryHash @4 :UInt64;        # 0: not asked for
  events @5 :UInt64;            # as the stage counted them: without checkpoints, pieces and kEnd
  inputBytes @6 :UInt64;        # bytes in segments, uncompressed
  counts @7 :List(KindCount);
  chunks @8 :List(IndexEntry);
  objects @9 :List(ObjectFile);
  durationNs @10 :UInt64;       # of the run, start to end
  inputFrameBytes @11 :UInt64;  # bytes of the file that are Inputs frames
  records @12 :UInt64;          # in all chunks
}
