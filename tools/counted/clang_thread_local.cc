// Warns of the address of a thread_local that is kept across a call that may wait, as gcc_thread_local.cc does, whose
// head says what is found and what is not.
//
// Clang hands over functions whose variables lie in memory. So each that names a thread_local is looked at in
// a copy, with its variables promoted to values, and the copy is thrown away. A place in the source is known with -g only.
#include "tools/counted/clang_thread_local.h"

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/Demangle/Demangle.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/PromoteMemToReg.h>

#include <map>
#include <string>

#include "tools/counted/waits.h"

namespace {

using namespace llvm;

bool in_namespace_reprise(const Function& function) {
  StringRef name = function.getName();
  return name.consume_front("_ZN") && (name.consume_front("K"), name.startswith("7reprise"));
}

class Warning final : public DiagnosticInfo {
 public:
  explicit Warning(std::string text) : DiagnosticInfo(kind(), DS_Warning), text_(std::move(text)) {}
  void print(DiagnosticPrinter& printer) const override { printer << text_; }

 private:
  static int kind() {
    static const int mine = getNextAvailablePluginDiagnosticKind();
    return mine;
  }
  std::string text_;
};

// The thread_local whose address the instruction makes, by name; empty if it is none. Of a variable that may
// need to be initialised a wrapper is called.
std::string addressed_thread_local(const Instruction& instruction) {
  const auto* const call = dyn_cast<CallBase>(&instruction);
  const Function* const callee = call != nullptr ? call->getCalledFunction() : nullptr;
  if (callee == nullptr) return {};
  if (callee->getIntrinsicID() == Intrinsic::threadlocal_address) return demangle(call->getArgOperand(0)->getName().str());
  StringRef name = callee->getName();
  return name.consume_front("_ZTW") ? demangle("_Z" + name.str()) : std::string();
}

bool names_thread_local(const Function& function) {
  return any_of(instructions(function), [](const Instruction& i) { return !addressed_thread_local(i).empty(); });
}

class Waits {
 public:
  bool may_wait(const Instruction& instruction) {
    const auto* const call = dyn_cast<CallBase>(&instruction);
    return call != nullptr && call->getCalledFunction() != nullptr && may_wait(*call->getCalledFunction());
  }

 private:
  // Does the function, or what it calls in this unit, call something that may wait? Cycles: not by that way.
  bool may_wait(const Function& function) {
    const auto [at, fresh] = known_.emplace(&function, false);
    if (!fresh) return at->second;
    const StringRef name = function.getName();
    const bool waits = in_namespace_reprise(function) || waits_in_libc({name.data(), name.size()}) ||
                       any_of(instructions(function), [this](const Instruction& i) { return may_wait(i); });
    return known_[&function] = waits;
  }

  std::map<const Function*, bool> known_;
};

// Is a use reached from `from` by a way that waits? Walks back from the use.
class WayBack {
 public:
  WayBack(const Instruction& from, Waits& waits) : from_(from), waits_(waits) {}

  // The call that waits on some way, or null.
  const Instruction* waits_before(const Use& use) {
    const auto& user = *cast<Instruction>(use.getUser());
    if (const auto* const phi = dyn_cast<PHINode>(&user)) return back_from_end(*phi->getIncomingBlock(use));
    return back(user.getPrevNode(), *user.getParent());
  }

 private:
  const Instruction* back_from_end(const BasicBlock& block) { return back(block.getTerminator(), block); }

  const Instruction* back(const Instruction* at, const BasicBlock& block) {
    for (; at != nullptr; at = at->getPrevNode()) {
      if (at == &from_) return nullptr;
      if (waits_.may_wait(*at)) return at;
    }
    for (const BasicBlock* before : predecessors(&block)) {
      if (!seen_.insert(before).second) continue;
      if (const Instruction* found = back_from_end(*before)) return found;
    }
    return nullptr;
  }

  const Instruction& from_;
  Waits& waits_;
  SmallPtrSet<const BasicBlock*, 16> seen_;
};

void promote_variables(Function& function) {
  SmallVector<AllocaInst*> variables;
  for (Instruction& instruction : instructions(function)) {
    if (auto* const variable = dyn_cast<AllocaInst>(&instruction); variable != nullptr && isAllocaPromotable(variable)) {
      variables.push_back(variable);
    }
  }
  DominatorTree tree(function);
  if (!variables.empty()) PromoteMemToReg(variables, tree);
}

bool computes_pointer(const Instruction& user) {
  return user.getType()->isPointerTy() &&
         (isa<GetElementPtrInst>(user) || isa<CastInst>(user) || isa<PHINode>(user) || isa<SelectInst>(user));
}

// The call across which the address, or what is computed from it, is kept; null if there is none.
const Instruction* kept_across(const Instruction& address, Waits& waits) {
  SmallVector<const Instruction*> work{&address};
  SmallPtrSet<const Instruction*, 16> seen{&address};
  while (!work.empty()) {
    const Instruction* const pointer = work.pop_back_val();
    for (const Use& use : pointer->uses()) {
      const auto* const user = cast<Instruction>(use.getUser());
      if (const Instruction* call = WayBack(*pointer, waits).waits_before(use)) return call;
      if (computes_pointer(*user) && seen.insert(user).second) work.push_back(user);
    }
  }
  return nullptr;
}

void warn(const Function& function, const Instruction& call, StringRef variable) {
  std::string text;
  raw_string_ostream out(text);
  if (const DebugLoc& at = call.getDebugLoc()) {
    const DIFile* const file = cast<DIScope>(at.getScope())->getFile();
    if (!file->getFilename().startswith("/")) out << file->getDirectory() << '/';
    out << file->getFilename() << ':' << at.getLine() << ": ";
  } else {
    out << "in " << demangle(function.getName().str()) << ": ";
  }
  out << "the address of thread_local '" << variable
      << "' is kept across this call, after which the goroutine may be on another thread";
  function.getContext().diagnose(Warning(out.str()));
}

void look_at(Function& function, Waits& waits) {
  ValueToValueMapTy map;
  Function* const copy = CloneFunction(&function, map);
  promote_variables(*copy);
  for (const Instruction& instruction : instructions(*copy)) {
    const std::string variable = addressed_thread_local(instruction);
    if (variable.empty()) continue;
    if (const Instruction* call = kept_across(instruction, waits)) warn(function, *call, variable);
  }
  copy->eraseFromParent();
}

}  // namespace

llvm::PreservedAnalyses ThreadLocalPass::run(Module& module, ModuleAnalysisManager&) {
  SmallVector<Function*> functions;
  for (Function& function : module) {
    // The runtime's own headers know what they do.
    if (!in_namespace_reprise(function) && names_thread_local(function)) functions.push_back(&function);
  }
  Waits waits;
  for (Function* function : functions) look_at(*function, waits);
  return PreservedAnalyses::all();
}
