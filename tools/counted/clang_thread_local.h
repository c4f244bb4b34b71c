// The pass that warns of the address of a thread_local which is kept across a call that may wait: clang's.
//
// Thread safety: a compiler has one thread.
#pragma once

#include <llvm/IR/PassManager.h>

// To be run on a module before anything is inlined. Changes nothing.
struct ThreadLocalPass : llvm::PassInfoMixin<ThreadLocalPass> {
  llvm::PreservedAnalyses run(llvm::Module& module, llvm::ModuleAnalysisManager&);
  static bool isRequired() { return true; }  // at -O0 too
};
