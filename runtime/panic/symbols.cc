// From an address to functions, files and lines, inlined calls included.
//
// Debug information gives the chain of inlined functions at an address: each is a frame whose line
// is where the next inner one was called. Without it the symbol table still gives the function.
#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

// The function below `parent` whose code holds pc. Functions with code are children of their unit
// with GCC, or of its namespaces with clang.
bool find_function(Dwarf_Die parent, Dwarf_Addr pc, Dwarf_Die* function) {
  std::vector<Dwarf_Die> namespaces;
  Dwarf_Die die;
  for (int end = dwarf_child(&parent, &die); end == 0; end = dwarf_siblingof(&die, &die)) {
    const int tag = dwarf_tag(&die);
    if (tag == DW_TAG_namespace) namespaces.push_back(die);
    if (tag != DW_TAG_subprogram || dwarf_haspc(&die, pc) <= 0) continue;
    *function = die;
    return true;
  }
  for (const Dwarf_Die& each : namespaces)
    if (find_function(each, pc, function)) return true;
  return false;
}

// The functions inlined at pc in the code of `scope`, outermost first.
void add_inlined(Dwarf_Die scope, Dwarf_Addr pc, std::vector<Dwarf_Die>* chain) {
  Dwarf_Die die;
  for (int end = dwarf_child(&scope, &die); end == 0; end = dwarf_siblingof(&die, &die)) {
    const int tag = dwarf_tag(&die);
    const bool holds_code = tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block;
    if (!holds_code || dwarf_haspc(&die, pc) <= 0) continue;
    if (tag == DW_TAG_inlined_subroutine) chain->push_back(die);
    return add_inlined(die, pc, chain);
  }
}

// The frames at pc but for the last, innermost first. Leaves in *place where the outermost of them
// was called: the line of the function that holds the code.
void add_inlined_frames(Dwfl_Module* module, uint64_t pc, Place* place,
                        std::vector<SourceFrame>* frames) {
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = dwfl_module_addrdie(module, pc, &bias);
  Dwarf_Die function;
  if (unit == nullptr || !find_function(*unit, pc - bias, &function)) return;
  std::vector<Dwarf_Die> chain;
  add_inlined(function, pc - bias, &chain);
  for (auto die = chain.rbegin(); die != chain.rend(); ++die) {
    frames->push_back({name_of_die(&*die), place->file, place->line, 0});
    *place = call_site(unit, &*die);
  }
}

std::vector<SourceFrame> frames_at(uint64_t pc, bool exact) {
  const uint64_t at = exact ? pc : pc - 1;
  Dwfl* dwfl = dwfl_session();
  Dwfl_Module* module = dwfl == nullptr ? nullptr : dwfl_addrmodule(dwfl, at);
  if (module == nullptr) return {{"??", "", 0, pc}};
  std::vector<SourceFrame> frames;
  Place place = place_of(module, at);
  add_inlined_frames(module, at, &place, &frames);
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, at, &offset, &symbol, nullptr, nullptr, nullptr);
  frames.push_back({demangled(name), place.file, place.line, offset + (pc - at)});
  return frames;
}

}  // namespace

// Kept: goroutines of one kind wait at one place, and a report may be of thousands.
void each_source_frame(uint64_t pc, bool exact, Sink f, void* arg) {
  static auto& known = *new std::map<std::pair<uint64_t, bool>, std::vector<SourceFrame>>;
  auto [at, fresh] = known.try_emplace({pc, exact});
  if (fresh) at->second = frames_at(pc, exact);
  for (const SourceFrame& frame : at->second) f(frame, arg);
}

}  // namespace reprise::rt
