// ON_PURPOSE: of a function whose undefined behaviour is what a test is about. UBSan leaves it to the processor.
#pragma once

#define ON_PURPOSE __attribute__((no_sanitize("undefined")))
