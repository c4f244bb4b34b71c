// System call numbers that the stage's assembly needs; raw.h has them all for C++.
#pragma once

#include <sys/syscall.h>
