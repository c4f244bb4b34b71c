// A type of the same name as one of iface_test.cc's, and yet another.
#include "tests/unit/iface_shapes.h"

namespace reprise {

Any hidden_of_another_file() { return Hidden(); }

}  // namespace reprise
