// Names for the addresses in the stage's reports.
#pragma once

#include <string>

namespace reprise::cli {

// Appends function and source line to every line of `report` that ends in PATH+0xOFFSET, a place in
// an ELF file. Lines without symbols stay as they are. `root` is a pack's, or empty.
std::string with_symbols(const std::string& report, const std::string& root);

}  // namespace reprise::cli
