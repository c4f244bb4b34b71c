// The part of execve that maps segments. Headers are not trusted: sizes and counts are bounded, and
// nothing may reach into the stage's addresses.
#include "runtime/stage/load_elf.h"

#include <elf.h>
#include <sys/mman.h>

#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/rewrite.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr int kMaxHeaders = 64;

int protection_of(const Elf64_Phdr& h) {
  return (h.p_flags & PF_R ? PROT_READ : 0) | (h.p_flags & PF_W ? PROT_WRITE : 0) |
         (h.p_flags & PF_X ? PROT_EXEC : 0);
}

// File pages, then zeroes up to the end of memory.
const char* map_segment(long fd, const Elf64_Phdr& h, uint64_t bias) {
  const uint64_t begin = bias + h.p_vaddr, page = page_down(begin);
  const uint64_t file_end = begin + h.p_filesz, end = begin + h.p_memsz;
  if (h.p_filesz > h.p_memsz || end < begin || end > tape::kProgramEnd) return "its segments are out of place";
  const int protection = protection_of(h);
  if (file_end > page) {
    const long at = raw(SYS_mmap, page, file_end - page, protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
                        h.p_offset - (begin - page));
    if (at != static_cast<long>(page)) return "its segments cannot be mapped";
    if (protection == (PROT_READ | PROT_EXEC)) text_mapped(page, file_end - page);
  }
  if (end <= file_end) return nullptr;
  const uint64_t zero = page_up(file_end);
  // To the end of the page, as the kernel does: the dynamic linker allocates from what is left there.
  if (protection & PROT_WRITE && file_end > page) {
    memset(reinterpret_cast<void*>(file_end), 0, zero - file_end);
  }
  if (end <= zero) return nullptr;
  const long at = raw(SYS_mmap, zero, end - zero, protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS, -1, 0);
  return at == static_cast<long>(zero) ? nullptr : "its memory cannot be mapped";
}

const char* read_interpreter(long fd, const Elf64_Phdr& h, Image* out) {
  if (h.p_filesz == 0 || h.p_filesz > sizeof out->interpreter) return "its interpreter's name is too long";
  const long n = raw(SYS_pread64, fd, out->interpreter, h.p_filesz, h.p_offset);
  if (n != static_cast<long>(h.p_filesz)) return "it is truncated";
  out->interpreter[h.p_filesz - 1] = 0;
  return nullptr;
}

}  // namespace

bool is_program(const uint8_t* head, long size) {
  if (size < static_cast<long>(sizeof(Elf64_Ehdr))) return false;
  Elf64_Ehdr e;
  memcpy(&e, head, sizeof e);
  return memcmp(e.e_ident, ELFMAG, SELFMAG) == 0 && e.e_ident[EI_CLASS] == ELFCLASS64 &&
         e.e_machine == EM_X86_64 && (e.e_type == ET_EXEC || e.e_type == ET_DYN);
}

const char* load_elf(long fd, uint64_t base, Image* out) {
  Elf64_Ehdr e;
  Elf64_Phdr headers[kMaxHeaders];
  const long n = raw(SYS_pread64, fd, &e, sizeof e, 0);
  if (!is_program(reinterpret_cast<uint8_t*>(&e), n)) return "it is not an x86-64 ELF executable";
  if (e.e_phnum > kMaxHeaders || e.e_phentsize != sizeof(Elf64_Phdr)) return "its program headers are malformed";
  const long bytes = e.e_phnum * sizeof(Elf64_Phdr);
  if (raw(SYS_pread64, fd, headers, bytes, e.e_phoff) != bytes) return "it is truncated";
  out->bias = e.e_type == ET_DYN ? base : 0;
  out->entry = out->bias + e.e_entry;
  out->header_count = e.e_phnum;
  for (int i = 0; i < e.e_phnum; ++i) {
    const Elf64_Phdr& h = headers[i];
    const char* wrong = nullptr;
    if (h.p_type == PT_PHDR) out->headers = out->bias + h.p_vaddr;
    if (h.p_type == PT_INTERP) wrong = read_interpreter(fd, h, out);
    if (h.p_type == PT_LOAD) wrong = map_segment(fd, h, out->bias);
    if (wrong) return wrong;
    const bool holds_headers = h.p_type == PT_LOAD && h.p_offset <= e.e_phoff && e.e_phoff < h.p_offset + h.p_filesz;
    if (!out->headers && holds_headers) out->headers = out->bias + h.p_vaddr + (e.e_phoff - h.p_offset);
  }
  return nullptr;
}

}  // namespace reprise::stage
