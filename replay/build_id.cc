// Build ids by libelf: the program headers' PT_NOTE, which stripping keeps, then the sections'.
#include "replay/build_id.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace reprise::trace {
namespace {

std::string hex(const uint8_t* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < size && i < 64; ++i) out += kDigits[bytes[i] >> 4], out += kDigits[bytes[i] & 15];
  return out;
}

std::string from_notes(Elf_Data* data) {
  GElf_Nhdr note;
  size_t name = 0, desc = 0, at = 0;
  while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
    auto* base = static_cast<const uint8_t*>(data->d_buf);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::memcmp(base + name, "GNU", 4) == 0) {
      return hex(base + desc, note.n_descsz);
    }
  }
  return {};
}

std::string from_elf(Elf* elf) {
  size_t count = 0;
  if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &count) != 0) return {};
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr ph;
    if (!gelf_getphdr(elf, static_cast<int>(i), &ph) || ph.p_type != PT_NOTE) continue;
    std::string id = from_notes(elf_getdata_rawchunk(elf, static_cast<int64_t>(ph.p_offset),
                                                     ph.p_filesz,
                                                     ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR));
    if (!id.empty()) return id;
  }
  return {};
}

}  // namespace

std::string build_id_of(const std::string& path) {
  elf_version(EV_CURRENT);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string id;
  if (Elf* elf = elf_begin(fd, ELF_C_READ, nullptr)) {
    id = from_elf(elf);
    elf_end(elf);
  }
  close(fd);
  return id;
}

ObjectFile object_file(const std::string& path) {
  ObjectFile out;
  out.path = path;
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return out;
  out.size_bytes = static_cast<uint64_t>(st.st_size);
  out.mtime_ns = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1'000'000'000u +
                 static_cast<uint64_t>(st.st_mtim.tv_nsec);
  out.build_id = build_id_of(path);
  return out;
}

}  // namespace reprise::trace
