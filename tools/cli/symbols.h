// Names for the addresses in the stage's reports.
#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <string>

namespace reprise::cli {

// Appends function and source line to every line of `report` that ends in PATH+0xOFFSET, a place in
// an ELF file. Lines without symbols stay as they are. `root` is a pack's, or empty.
std::string with_symbols(const std::string& report, const std::string& root);

// Sites of the seam (seam::Site) of one executable, as lines of the program: the first frame at the
// site that is not of Reprise's headers or runtime.
class SiteNames {
 public:
  // Empty: no executable, sites are shown as offsets.
  explicit SiteNames(const std::string& path);
  ~SiteNames();
  SiteNames(const SiteNames&) = delete;
  SiteNames& operator=(const SiteNames&) = delete;

  // "file:line function". `site`: a return address. Of inlined functions the innermost that is not from a header.
  std::string user_line(uint64_t site) const;

 private:
  Dwfl* dwfl_ = nullptr;
  uint64_t base_ = 0;  // address of site 0, where libdwfl has put the executable
};

}  // namespace reprise::cli
