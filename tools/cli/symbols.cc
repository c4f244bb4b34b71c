// Symbols by libdwfl, offline: the program is gone when its report is read.
//
// The stage gives offsets in files; libdwfl wants addresses. A PT_LOAD segment turns one into the
// other. A return address is looked up one byte earlier, inside its call.
#include "tools/cli/symbols.h"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <gelf.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

#include "runtime/panic/source_frames.h"

namespace reprise::cli {
namespace {

constexpr Dwfl_Callbacks kOffline = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

class Symbols {
 public:
  ~Symbols() {
    for (auto& [path, dwfl] : open_) dwfl_end(dwfl);
  }

  // "function at file:line", or empty.
  std::string name(const std::string& path, uint64_t offset, bool return_address) {
    Dwfl_Module* module = module_of(path);
    GElf_Addr bias = 0;
    Elf* elf = module ? dwfl_module_getelf(module, &bias) : nullptr;
    uint64_t address = elf ? address_of(elf, offset) : 0;
    if (address == 0) return {};
    address += bias - (return_address ? 1 : 0);
    const char* symbol = dwfl_module_addrname(module, address);
    if (!symbol) return {};
    return demangled(symbol) + line(open_[path], address);
  }

 private:
  Dwfl_Module* module_of(const std::string& path) {
    auto [at, fresh] = open_.try_emplace(path, nullptr);
    if (!fresh) return modules_[path];
    Dwfl* dwfl = at->second = dwfl_begin(&kOffline);
    modules_[path] = dwfl_report_offline(dwfl, "", path.c_str(), -1);
    dwfl_report_end(dwfl, nullptr, nullptr);
    return modules_[path];
  }

  static uint64_t address_of(Elf* elf, uint64_t offset) {
    size_t count = 0;
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; ++i) {
      GElf_Phdr ph;
      if (!gelf_getphdr(elf, static_cast<int>(i), &ph) || ph.p_type != PT_LOAD) continue;
      if (offset >= ph.p_offset && offset < ph.p_offset + ph.p_filesz) {
        return ph.p_vaddr + offset - ph.p_offset;
      }
    }
    return 0;
  }

  static std::string demangled(const char* symbol) {
    int status = 0;
    char* plain = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string out = plain ? plain : symbol;
    std::free(plain);
    return out;
  }

  // By source_frames(), which also finds the line of code that clang compiled.
  static std::string line(Dwfl* dwfl, uint64_t address) {
    const rt::SourceFrame innermost = rt::source_frames(dwfl, address, true).front();
    return innermost.file.empty() ? "" : fmt::format(" at {}:{}", innermost.file, innermost.line);
  }

  std::map<std::string, Dwfl*> open_;
  std::map<std::string, Dwfl_Module*> modules_;
};

}  // namespace

std::string with_symbols(const std::string& report, const std::string& root) {
  Symbols symbols;
  std::istringstream in(report);
  std::string out;
  for (std::string text; std::getline(in, text);) {
    size_t plus = text.rfind("+0x"), start = text.rfind(" /", plus);
    if (!out.empty()) out += '\n';
    out += text;
    if (plus == std::string::npos || start == std::string::npos) continue;
    char* end = nullptr;
    uint64_t offset = std::strtoull(text.c_str() + plus + 1, &end, 16);
    if (*end != '\0') continue;
    std::string path = root + text.substr(start + 1, plus - start - 1);
    bool call_site = text.find("  #") == 0 && text.find("  #0 ") != 0;
    std::string name = symbols.name(path, offset, call_site);
    if (!name.empty()) out += " " + name;
  }
  return out;
}

namespace {

// Where the first segment of an executable begins, as it is linked.
uint64_t first_address(Elf* elf) {
  size_t count = 0;
  elf_getphdrnum(elf, &count);
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr ph;
    if (gelf_getphdr(elf, static_cast<int>(i), &ph) && ph.p_type == PT_LOAD) return ph.p_vaddr;
  }
  return 0;
}

}  // namespace

SiteNames::SiteNames(const std::string& path) {
  if (path.empty() || (dwfl_ = dwfl_begin(&kOffline)) == nullptr) return;
  Dwfl_Module* module = dwfl_report_offline(dwfl_, "", path.c_str(), -1);
  dwfl_report_end(dwfl_, nullptr, nullptr);
  GElf_Addr bias = 0;
  if (Elf* elf = module ? dwfl_module_getelf(module, &bias) : nullptr) base_ = bias + first_address(elf);
}

SiteNames::~SiteNames() { dwfl_end(dwfl_); }

namespace {

// A lock guard, a container, a channel's face: what was inlined from a header is rarely what is asked about.
bool in_header(const rt::SourceFrame& frame) {
  const std::string_view file = frame.file;
  const size_t dot = file.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? "" : file.substr(dot);
  return ending == ".h" || ending == ".hpp" || ending == ".hh" || file.starts_with("/usr/include/");
}

}  // namespace

std::string SiteNames::user_line(uint64_t site) const {
  if (dwfl_ == nullptr) return fmt::format("+{:#x}", site);
  std::optional<rt::SourceFrame> found;
  for (const rt::SourceFrame& frame : rt::source_frames(dwfl_, base_ + site, false)) {
    if (rt::is_runtime_frame(frame) || (found && in_header(frame))) continue;
    if (!found || in_header(*found)) found = frame;
  }
  if (!found) return fmt::format("+{:#x}", site);
  return fmt::format("{}:{} {}", found->file.empty() ? "??" : found->file, found->line, found->function);
}

}  // namespace reprise::cli
