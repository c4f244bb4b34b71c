// From an address to functions, files and lines, inlined calls included.
//
// Debug information gives the chain of inlined functions at an address: each is a frame whose line
// is where the next inner one was called. Without it the symbol table still gives the function.
#include "runtime/panic/source_frames.h"

#include <cxxabi.h>
#include <dwarf.h>

#include <cstdio>
#include <cstdlib>

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

// The compilation unit whose code holds pc. By the table of addresses, or one unit after the other: clang
// makes no such table, and libdwfl then names the unit before.
Dwarf_Die* unit_at(Dwfl_Module* module, uint64_t pc, Dwarf_Addr* bias) {
  Dwarf_Die* const found = dwfl_module_addrdie(module, pc, bias);
  if (found != nullptr && dwarf_haspc(found, pc - *bias) > 0) return found;
  Dwarf_Die* unit = nullptr;
  while ((unit = dwfl_module_nextcu(module, unit, bias)) != nullptr) {
    if (dwarf_haspc(unit, pc - *bias) > 0) return unit;
  }
  return nullptr;
}

Place place_of(Dwarf_Die* unit, Dwarf_Addr at) {
  Place place;
  Dwarf_Line* line = dwarf_getsrc_die(unit, at);
  if (line == nullptr) return place;
  dwarf_lineno(line, &place.line);
  if (const char* file = dwarf_linesrc(line, nullptr, nullptr)) place.file = file;
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

// The function below `parent` whose code holds pc. Functions with code are children of their unit with GCC, or
// of its namespaces with clang; those of a class that is local to a function lie in that function.
bool find_function(Dwarf_Die parent, Dwarf_Addr pc, Dwarf_Die* function) {
  std::vector<Dwarf_Die> inner;
  Dwarf_Die die;
  for (int end = dwarf_child(&parent, &die); end == 0; end = dwarf_siblingof(&die, &die)) {
    const int tag = dwarf_tag(&die);
    const bool holds_functions = tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
                                 tag == DW_TAG_class_type || tag == DW_TAG_lexical_block;
    if (holds_functions || tag == DW_TAG_subprogram) inner.push_back(die);
    if (tag != DW_TAG_subprogram || dwarf_haspc(&die, pc) <= 0) continue;
    *function = die;
    return true;
  }
  for (const Dwarf_Die& each : inner)
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

// The frames at `at` but for the last, innermost first. Leaves in *place where the outermost of them
// was called: the line of the function that holds the code.
void add_inlined_frames(Dwarf_Die* unit, Dwarf_Addr at, Place* place, std::vector<SourceFrame>* frames) {
  Dwarf_Die function;
  if (!find_function(*unit, at, &function)) return;
  std::vector<Dwarf_Die> chain;
  add_inlined(function, at, &chain);
  for (auto die = chain.rbegin(); die != chain.rend(); ++die) {
    frames->push_back({name_of_die(&*die), place->file, place->line, 0});
    *place = call_site(unit, &*die);
  }
}

constexpr std::string_view kRuntimePrefixes[] = {
    "reprise::rt::", "reprise_", "void reprise::go<", "reprise::go<", "go<",
    "void reprise::panic<", "panic<", "recovering<", "reprise::Defers::", "reprise::detail::",
    "std::terminate", "__cxxabiv1::__terminate", "__cxa_throw", "__cxa_rethrow", "_Unwind_",
};

// The source folders of the runtime. Inlined functions of an anonymous namespace have no qualified
// name, so the file must tell.
bool is_runtime_file(std::string_view file) {
  const size_t runtime = file.rfind("/runtime/");
  if (runtime == std::string_view::npos) return false;
  const std::string_view rest = file.substr(runtime + 9);
  for (const std::string_view room : {"boot/", "chan/", "mem/", "panic/", "poll/", "sched/", "seam/",
                                      "signal/", "stage/", "sync/", "sys/", "time/"}) {
    if (rest.starts_with(room)) return true;
  }
  return false;
}

}  // namespace

std::vector<SourceFrame> source_frames(Dwfl* dwfl, uint64_t pc, bool exact) {
  const uint64_t at = exact ? pc : pc - 1;
  Dwfl_Module* module = dwfl == nullptr ? nullptr : dwfl_addrmodule(dwfl, at);
  if (module == nullptr) return {{"??", "", 0, pc}};
  std::vector<SourceFrame> frames;
  Place place;
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* unit = unit_at(module, at, &bias)) {
    place = place_of(unit, at - bias);
    add_inlined_frames(unit, at - bias, &place, &frames);
  }
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, at, &offset, &symbol, nullptr, nullptr, nullptr);
  frames.push_back({demangled(name), place.file, place.line, offset + (pc - at)});
  return frames;
}

bool is_runtime_frame(const SourceFrame& frame) {
  if (frame.function == "??") return true;
  for (const std::string_view prefix : kRuntimePrefixes) {
    if (frame.function.starts_with(prefix)) return true;
  }
  return frame.function.find("reprise::") != 0 && is_runtime_file(frame.file);
}

std::string frame_text(const SourceFrame& frame, uint64_t created_in) {
  std::string text = frame.function;
  if (text.find('(') == std::string::npos) text += "(...)";
  if (created_in != 0) text = "created by " + text + " in goroutine " + std::to_string(created_in);
  char offset[24];
  std::snprintf(offset, sizeof offset, "%llx", static_cast<unsigned long long>(frame.offset));
  return text + "\n\t" + (frame.file.empty() ? "??" : frame.file) + ":" + std::to_string(frame.line) +
         " +0x" + offset + "\n";
}

}  // namespace reprise::rt
