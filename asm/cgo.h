// The border between goroutines' stacks and those that C runs on, as C++ calls it.
//
// Thread safety: acts on the calling thread alone.
#pragma once

extern "C" {

// Calls fn(arg) on the stack that ends at `top`, as reprise_call_on_stack, and may be left by an unwinding: its caller's
// landing pads are found.
void reprise_asmcgocall(void* top, void (*fn)(void*), void* arg);

}  // extern "C"
