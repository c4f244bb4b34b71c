// The list of kernels. Adding one is a line here and one in CMakeLists.txt.
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr Kernel kAll[] = {
    {"account", account, 3},
    {"bluetooth_driver", bluetooth_driver, 2},
    {"carter01", carter01, 4},
    {"circular_buffer", circular_buffer, 2},
    {"deadlock01", deadlock01, 2},
    {"lazy01", lazy01, 3},
    {"queue", queue, 2},
    {"reorder_3", reorder_3, 3},
    {"reorder_4", reorder_4, 4},
    {"reorder_5", reorder_5, 5},
    {"stack", stack, 2},
    {"token_ring", token_ring, 4},
    {"twostage", twostage, 2},
    {"wronglock", wronglock, 8},
};

}  // namespace

std::span<const Kernel> all() { return kAll; }

}  // namespace kernels
