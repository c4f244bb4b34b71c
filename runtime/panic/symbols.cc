// From an address to functions, files and lines, inlined calls included.
//
// Debug information gives the chain of inlined functions at an address: each is a frame whose line
// is where the next inner one was called. Without it the symbol table still gives the function.
#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>

#include <cstdlib>
#include <string>

#include "runtime/panic/dwfl_session.h"
#include "runtime/panic/traceback.h"

namespace reprise::rt {

namespace {

std::string demangled(const char* name) {
  if (name == nullptr) return "??";
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

// The linkage name carries namespace and arguments; plain functions have a name only.
std::string name_of_die(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  for (const unsigned kind : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (dwarf_attr_integrate(die, kind, &attribute) != nullptr) {
      return demangled(dwarf_formstring(&attribute));
    }
  }
  const char* name = dwarf_diename(die);
  return name == nullptr ? "??" : name;
}

struct Place {
  std::string file;
  int line = 0;
};

Place place_of(Dwfl_Module* module, uint64_t pc) {
  Place place;
  Dwfl_Line* line = dwfl_module_getsrc(module, pc);
  if (line == nullptr) return place;
  const char* file = dwfl_lineinfo(line, nullptr, &place.line, nullptr, nullptr, nullptr);
  if (file != nullptr) place.file = file;
  return place;
}

Place call_site(Dwarf_Die* cu, Dwarf_Die* inlined) {
  Place place;
  Dwarf_Attribute attribute;
  Dwarf_Word line = 0, file = 0;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0) {
    place.line = static_cast<int>(line);
  }
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) == 0 &&
      dwarf_getsrcfiles(cu, &files, &count) == 0 && file < count) {
    if (const char* name = dwarf_filesrc(files, file, nullptr, nullptr)) place.file = name;
  }
  return place;
}

using Sink = void (*)(const SourceFrame&, void*);

// The functions inlined at pc, innermost first. Leaves in *place where the outermost of them was
// called: the line of the function that holds the code.
void each_inlined(Dwfl_Module* module, uint64_t pc, Place* place, Sink f, void* arg) {
  Dwarf_Addr bias = 0;
  Dwarf_Die* cu = dwfl_module_addrdie(module, pc, &bias);
  if (cu == nullptr) return;
  // The first call finds the innermost scope, but goes on as the source nests; the second goes on as
  // the code does, from the inlined copy to the function that holds it.
  Dwarf_Die* innermost = nullptr;
  if (dwarf_getscopes(cu, pc - bias, &innermost) <= 0) return;
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes_die(innermost, &scopes);
  std::free(innermost);
  for (int i = 0; i < count; ++i) {
    const int tag = dwarf_tag(&scopes[i]);
    if (tag == DW_TAG_subprogram) break;
    if (tag != DW_TAG_inlined_subroutine) continue;
    f({name_of_die(&scopes[i]), place->file, place->line, 0}, arg);
    *place = call_site(cu, &scopes[i]);
  }
  std::free(scopes);
}

}  // namespace

void each_source_frame(uint64_t pc, bool exact, Sink f, void* arg) {
  const uint64_t at = exact ? pc : pc - 1;
  Dwfl* dwfl = dwfl_session();
  Dwfl_Module* module = dwfl == nullptr ? nullptr : dwfl_addrmodule(dwfl, at);
  if (module == nullptr) return f({"??", "", 0, pc}, arg);
  Place place = place_of(module, at);
  each_inlined(module, at, &place, f, arg);
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, at, &offset, &symbol, nullptr, nullptr, nullptr);
  f({demangled(name), place.file, place.line, offset + (pc - at)}, arg);
}

}  // namespace reprise::rt
