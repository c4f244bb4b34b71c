#include <cerrno>

namespace reprise::detail {

int* errno_here() noexcept { return &errno; }

}  // namespace reprise::detail
