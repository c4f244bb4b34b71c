// Programs whose init tasks cannot be ordered; which is a matter of BAD_INIT: 1 a cycle, 2 a name that
// nobody defines, 3 a name defined twice.
#include <reprise/reprise.h>

REPRISE_INIT(config, database) {}
#if BAD_INIT == 1
REPRISE_INIT(database, logging) {}
REPRISE_INIT(logging, config) {}
#elif BAD_INIT == 3
REPRISE_INIT(database) {}
namespace second {
REPRISE_INIT(database) {}
}  // namespace second
#endif

namespace {
int app() { return 0; }
}  // namespace

REPRISE_MAIN(app)
