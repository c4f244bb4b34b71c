// Between the plain values of trace_types.h and Cap'n Proto messages: header and footer.
//
// Only replay/ includes this. Parsing may throw kj::Exception; parse_message() in wire.cc is where
// those become errors.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "replay/capnp_messages.h"
#include "replay/trace_types.h"

namespace reprise::trace {

std::vector<std::byte> header_message(const Header& header);
std::vector<std::byte> footer_message(const Footer& footer);

// False and *why if the words are not such a message.
bool parse_header(std::span<const uint64_t> words, Header& out, std::string* why);
bool parse_footer(std::span<const uint64_t> words, Footer& out, std::string* why);

// Replaces `out` by the flat form of a message.
void flatten(capnp::MessageBuilder& message, std::vector<std::byte>& out);

// A message whose root has one blob and nothing else, such as schema::Inputs: how long it is, and its start, up
// to the blob, which whoever calls puts behind it, with zeros up to a multiple of 8. Returns the start's bytes.
// Not flatten(): that copies the blob.
size_t blob_message_bytes(size_t blob_bytes);
size_t begin_blob_message(size_t blob_bytes, std::byte* to);

void put_object(schema::ObjectFile::Builder to, const ObjectFile& from);
ObjectFile get_object(schema::ObjectFile::Reader from);

}  // namespace reprise::trace
