// The counted flavour's clang pass: a tick at every function entry and loop back edge.
//
// It runs at the end of the optimisation pipeline, where loops are vectorised and unrolled already, at
// every level, -O0 included, and before link-time optimisation. Every cycle of the graph has a back
// edge, so every cycle gets a site; what code generation adds are compare-and-swap loops, which the
// check (check_ticks.py) knows.
//
// Ticks are fewer than that at both ends. Loops are unrolled further before they get theirs, where their
// number of turns is known when they are entered. And a back edge needs no tick of its own where every turn
// calls a function that is certain to be the counted one here: the call's tick lies between two turns.
//
// A back edge that cannot be split (invoke into its own landing pad, computed goto) gets its site at
// the head of its target. The range of a function goes into the table of counted text by the
// `!pcsections` metadata, in the table's own format: begin from here, size.
//
// Behind each call that does not return goes a `ud2`, which tells the check what else only the compiler
// knows.
//
// A function annotated "reprise_uncounted" is left alone, and so are naked ones.
#include <llvm/Analysis/CFG.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Passes/PassPlugin.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <string>

#include "tools/counted/clang_thread_local.h"
#include "tools/counted/site.h"

namespace {

using namespace llvm;

// LLVM's asm doubles `$`.
std::string site_text() {
  std::string text;
  for (const char c : StringRef(TICK_SITE_ASM)) text.append(c == '$' ? 2 : 1, c);
  return text;
}

InlineAsm* site_of(LLVMContext& context) {
  static const std::string text = site_text();
  return InlineAsm::get(FunctionType::get(Type::getVoidTy(context), false), text,
                        "~{dirflag},~{fpsr},~{flags}", true);
}

void insert_site(Instruction* before) { IRBuilder<>(before).CreateCall(site_of(before->getContext())); }

bool splittable(const Instruction* terminator) {
  return !isa<IndirectBrInst>(terminator) && !isa<InvokeInst>(terminator) && !isa<CallBrInst>(terminator);
}

bool annotated_uncounted(const Function& function) {
  const GlobalVariable* const all = function.getParent()->getNamedGlobal("llvm.global.annotations");
  if (all == nullptr || !all->hasInitializer()) return false;
  const auto* const list = dyn_cast<ConstantArray>(all->getInitializer());
  if (list == nullptr) return false;
  for (const Use& entry : list->operands()) {
    const auto* const fields = cast<ConstantStruct>(entry);
    if (fields->getOperand(0)->stripPointerCasts() != &function) continue;
    const auto* const text = dyn_cast<GlobalVariable>(fields->getOperand(1)->stripPointerCasts());
    if (text == nullptr || !text->hasInitializer()) continue;
    const auto* const bytes = dyn_cast<ConstantDataSequential>(text->getInitializer());
    if (bytes != nullptr && bytes->isCString() && bytes->getAsCString() == "reprise_uncounted") return true;
  }
  return false;
}

bool gets_ticks(const Function& function) {
  // A definition that is available elsewhere too gets no code here.
  return !function.isDeclaration() && !function.hasAvailableExternallyLinkage() &&
         !function.hasFnAttribute(Attribute::Naked) && !annotated_uncounted(function);
}

// Calls a function that no linker replaces, and that has a tick at its entry.
bool calls_counted(const Instruction& instruction) {
  const auto* const call = dyn_cast<CallBase>(&instruction);
  const Function* const callee = call != nullptr ? call->getCalledFunction() : nullptr;
  return callee != nullptr && callee->hasLocalLinkage() && gets_ticks(*callee);
}

// Is there such a call on every way round from `head` to `source`? Sufficient: one block that has one lies
// on every way from the entry to `source`, and behind `head`.
bool every_turn_ticks(const DominatorTree& tree, const BasicBlock* source, const BasicBlock* head) {
  if (!tree.isReachableFromEntry(source) || !tree.dominates(head, source)) return false;
  for (const DomTreeNode* node = tree.getNode(source); node != nullptr; node = node->getIDom()) {
    if (any_of(*node->getBlock(), calls_counted)) return true;
    if (node->getBlock() == head) return false;
  }
  return false;
}

void insert_on_back_edges(Function& function, const DominatorTree& tree) {
  SmallVector<std::pair<const BasicBlock*, const BasicBlock*>> back_edges;
  FindFunctionBackedges(function, back_edges);
  erase_if(back_edges, [&tree](const auto& edge) { return every_turn_ticks(tree, edge.first, edge.second); });
  SmallSetVector<BasicBlock*, 8> heads;
  for (const auto& [from, to] : back_edges) {
    auto* const source = const_cast<BasicBlock*>(from);
    auto* const target = const_cast<BasicBlock*>(to);
    Instruction* const terminator = source->getTerminator();
    if (terminator->getNumSuccessors() == 1 && splittable(terminator)) {
      insert_site(terminator);
    } else if (BasicBlock* middle = splittable(terminator) ? SplitEdge(source, target) : nullptr) {
      insert_site(middle->getTerminator());
    } else {
      heads.insert(target);
    }
  }
  for (BasicBlock* head : heads) insert_site(&*head->getFirstInsertionPt());
}

void end_calls_that_do_not_return(Function& function) {
  for (BasicBlock& block : function) {
    if (!isa<UnreachableInst>(block.getTerminator())) continue;
    LLVMContext& context = function.getContext();
    InlineAsm* const trap = InlineAsm::get(FunctionType::get(Type::getVoidTy(context), false), "ud2", "", true);
    IRBuilder<>(block.getTerminator()).CreateCall(trap);
  }
}

void note_range(Function& function) {
  MDBuilder builder(function.getContext());
  function.setMetadata(LLVMContext::MD_pcsections, builder.createPCSections({{TICK_RANGE_SECTION, {}}}));
}

struct TickPass : PassInfoMixin<TickPass> {
  PreservedAnalyses run(Function& function, FunctionAnalysisManager& analyses) {
    if (!gets_ticks(function)) return PreservedAnalyses::all();
    insert_on_back_edges(function, analyses.getResult<DominatorTreeAnalysis>(function));
    insert_site(&*function.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
    end_calls_that_do_not_return(function);
    note_range(function);
    return PreservedAnalyses::none();
  }
  static bool isRequired() { return true; }  // at -O0 too
};

void add_to(PassBuilder& builder) {
  builder.registerPipelineStartEPCallback(
      [](ModulePassManager& passes, OptimizationLevel) { passes.addPass(ThreadLocalPass()); });
  builder.registerOptimizerLastEPCallback([](ModulePassManager& passes, OptimizationLevel level) {
    if (level.getSpeedupLevel() >= 2 && level.getSizeLevel() == 0) {
      const LoopUnrollOptions further = LoopUnrollOptions().setPartial(true).setRuntime(true);
      passes.addPass(createModuleToFunctionPassAdaptor(LoopUnrollPass(further)));
    }
    passes.addPass(createModuleToFunctionPassAdaptor(TickPass()));
  });
}

}  // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo llvmGetPassPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "reprise-counted", "1", add_to};
}
