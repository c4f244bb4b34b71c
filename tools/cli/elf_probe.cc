// Reads ELF headers with libelf. A program links Reprise if it defines the symbol kMarker, which a
// stripped one may have lost: so this is good enough for a message, and nothing depends on it.
#include "tools/cli/elf_probe.h"

#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace reprise::cli {
namespace {

constexpr const char* kMarker = "reprise_rt0_go";
constexpr const char* kCountedSection = "reprise_text";

bool defines_marker(Elf* elf) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header) || header.sh_entsize == 0) continue;
    if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    int count = data ? static_cast<int>(header.sh_size / header.sh_entsize) : 0;
    for (int i = 0; i < count; ++i) {
      GElf_Sym symbol;
      if (!gelf_getsym(data, i, &symbol) || symbol.st_shndx == SHN_UNDEF) continue;
      const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (name && std::strcmp(name, kMarker) == 0) return true;
    }
  }
  return false;
}

bool has_section(Elf* elf, const char* wanted) {
  size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header)) continue;
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name && std::strcmp(name, wanted) == 0) return true;
  }
  return false;
}

std::string interpreter_of(Elf* elf, int fd) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return {};
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr ph;
    if (!gelf_getphdr(elf, static_cast<int>(i), &ph) || ph.p_type != PT_INTERP) continue;
    char name[512] = {};
    if (pread(fd, name, std::min<size_t>(ph.p_filesz, sizeof name - 1),
              static_cast<off_t>(ph.p_offset)) > 0) {
      return name;
    }
  }
  return {};
}

const char* refuse(Elf* elf, ElfProbe& out, int fd) {
  GElf_Ehdr header;
  if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header)) return "is not an ELF executable";
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
    return "is not a 64-bit x86 executable";
  }
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return "is not an executable";
  out.interpreter = interpreter_of(elf, fd);
  out.links_reprise = defines_marker(elf);
  out.counted = has_section(elf, kCountedSection);
  return nullptr;
}

}  // namespace

bool probe_elf(const std::string& path, ElfProbe& out, std::string* why) {
  elf_version(EV_CURRENT);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return *why = path + ": " + std::strerror(errno), false;
  Elf* elf = elf_begin(fd, ELF_C_READ, nullptr);
  const char* reason = elf ? refuse(elf, out, fd) : "is not an ELF executable";
  if (elf) elf_end(elf);
  close(fd);
  if (reason) *why = path + ": " + reason;
  return !reason;
}

}  // namespace reprise::cli
