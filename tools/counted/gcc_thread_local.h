// The pass that warns of the address of a thread_local which is kept across a call that may wait.
//
// Ownership: the pass manager's. Thread safety: a compiler has one thread.
#pragma once

class opt_pass;
namespace gcc {
class context;
}

// To be run on functions in SSA form, before any is inlined.
opt_pass* new_thread_local_pass(gcc::context* context);
