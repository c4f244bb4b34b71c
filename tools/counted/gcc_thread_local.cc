// Warns of the address of a thread_local that is kept across a call that may wait.
//
// A goroutine may go on on another thread after such a call; the address is then another thread's. What
// is found, on functions as they were written:
//  - a pointer or reference to a thread_local, or to a part of one, made before the call (`&t`, `t.member`,
//    what a wrapper of an extern thread_local returns, and what is computed from those),
//  - with a use that can be reached behind the call without making it again.
// What may wait: functions of namespace reprise; libc's calls that park; and functions of the same unit
// that call one of those, however deep. Not found: addresses that went through memory or another
// function, calls by pointer, functions of other units, and a thread_local that is named anew on both
// sides of the call, which is right unless the optimiser keeps its address.
#include <gcc-plugin.h>

#include <tree.h>
#include <gimple.h>
#include <tree-pass.h>
#include <context.h>
#include <basic-block.h>
#include <gimple-iterator.h>
#include <ssa.h>
#include <tree-ssa-operands.h>
#include <ssa-iterators.h>
#include <cgraph.h>
#include <diagnostic-core.h>

#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "tools/counted/gcc_thread_local.h"
#include "tools/counted/waits.h"

namespace {

const char* assembler_name(tree function) {
  return DECL_ASSEMBLER_NAME_SET_P(function) ? IDENTIFIER_POINTER(DECL_ASSEMBLER_NAME(function)) : "";
}

bool in_namespace_reprise(tree function) {
  for (tree scope = DECL_CONTEXT(function); scope != NULL_TREE && TREE_CODE(scope) != TRANSLATION_UNIT_DECL;) {
    if (TYPE_P(scope)) scope = TYPE_NAME(scope);
    if (scope == NULL_TREE || !DECL_P(scope)) return false;
    const tree outer = DECL_CONTEXT(scope);
    const bool outermost = outer == NULL_TREE || TREE_CODE(outer) == TRANSLATION_UNIT_DECL;
    if (outermost && TREE_CODE(scope) == NAMESPACE_DECL && DECL_NAME(scope) != NULL_TREE) {
      return std::strcmp(IDENTIFIER_POINTER(DECL_NAME(scope)), "reprise") == 0;
    }
    scope = outer;
  }
  return false;
}

// Does the function, or what it calls in this unit, call something that may wait? Cycles: not by that way.
bool may_wait(tree function) {
  static std::map<tree, bool> known;
  const auto [at, fresh] = known.emplace(function, false);
  if (!fresh) return at->second;
  if (in_namespace_reprise(function) || waits_in_libc(assembler_name(function))) return known[function] = true;
  const cgraph_node* node = cgraph_node::get(function);
  for (const cgraph_edge* e = node != nullptr ? node->callees : nullptr; e != nullptr; e = e->next_callee) {
    if (may_wait(e->callee->decl)) return known[function] = true;
  }
  return false;
}

bool may_wait(const gimple* statement) {
  if (!is_gimple_call(statement)) return false;
  const tree function = gimple_call_fndecl(statement);
  return function != NULL_TREE && may_wait(function);
}

// The thread_local whose address the statement makes, or null.
tree addressed_thread_local(const gimple* statement) {
  if (gimple_assign_single_p(statement) && TREE_CODE(gimple_assign_rhs1(statement)) == ADDR_EXPR) {
    const tree base = get_base_address(TREE_OPERAND(gimple_assign_rhs1(statement), 0));
    return base != NULL_TREE && VAR_P(base) && DECL_THREAD_LOCAL_P(base) ? base : NULL_TREE;
  }
  if (!is_gimple_call(statement) || gimple_call_fndecl(statement) == NULL_TREE) return NULL_TREE;
  const tree function = gimple_call_fndecl(statement);
  return std::strncmp(assembler_name(function), "_ZTW", 4) == 0 ? function : NULL_TREE;
}

// Is `to` reached from `from` by a way that waits? Walks back from `to`, which is before its statement.
class WayBack {
 public:
  explicit WayBack(const gimple* from) : from_(from) {}

  // The call that waits on some way, or null.
  const gimple* waits_before(gimple* use) {
    gimple_stmt_iterator at = gsi_for_stmt(use);
    gsi_prev(&at);
    return back(at, gimple_bb(use));
  }
  const gimple* waits_before_end(basic_block block) { return back(gsi_last_bb(block), block); }

 private:
  const gimple* back(gimple_stmt_iterator at, basic_block block) {
    for (; !gsi_end_p(at); gsi_prev(&at)) {
      const gimple* statement = gsi_stmt(at);
      if (statement == from_) return nullptr;
      if (may_wait(statement)) return statement;
    }
    if (block == gimple_bb(from_) && gimple_code(from_) == GIMPLE_PHI) return nullptr;
    edge e;
    edge_iterator it;
    FOR_EACH_EDGE(e, it, block->preds) {
      if (e->src == ENTRY_BLOCK_PTR_FOR_FN(cfun) || !seen_.insert(e->src).second) continue;
      if (const gimple* found = back(gsi_last_bb(e->src), e->src)) return found;
    }
    return nullptr;
  }

  const gimple* from_;
  std::set<basic_block> seen_;
};

class ThreadLocalPass final : public gimple_opt_pass {
 public:
  explicit ThreadLocalPass(gcc::context* context)
      : gimple_opt_pass({GIMPLE_PASS, "reprise-thread-local", OPTGROUP_NONE, TV_NONE, PROP_cfg | PROP_ssa, 0, 0, 0, 0},
                        context) {}

  unsigned execute(function* f) override {
    if (in_namespace_reprise(f->decl)) return 0;  // the runtime's own headers know what they do
    basic_block block;
    FOR_EACH_BB_FN(block, f) {
      for (gimple_stmt_iterator at = gsi_start_bb(block); !gsi_end_p(at); gsi_next(&at)) {
        const tree variable = addressed_thread_local(gsi_stmt(at));
        const tree pointer = variable != NULL_TREE ? gimple_get_lhs(gsi_stmt(at)) : NULL_TREE;
        if (pointer != NULL_TREE && TREE_CODE(pointer) == SSA_NAME) follow(pointer, variable);
      }
    }
    return 0;
  }

 private:
  // Looks at every use of the pointer and of what is computed from it.
  static void follow(tree pointer, tree variable) {
    std::vector<tree> work{pointer};
    std::set<tree> seen{pointer};
    while (!work.empty()) {
      const tree name = work.back();
      work.pop_back();
      imm_use_iterator it;
      use_operand_p use;
      FOR_EACH_IMM_USE_FAST(use, it, name) {
        gimple* statement = USE_STMT(use);
        if (is_gimple_debug(statement)) continue;
        if (warned(name, use, statement, variable)) return;
        const tree result = gimple_get_lhs(statement);
        const bool derived = (is_gimple_assign(statement) || gimple_code(statement) == GIMPLE_PHI) &&
                             result != NULL_TREE && TREE_CODE(result) == SSA_NAME && POINTER_TYPE_P(TREE_TYPE(result)) &&
                             !gimple_vuse(statement);
        if (derived && seen.insert(result).second) work.push_back(result);
      }
    }
  }

  static bool warned(tree name, use_operand_p use, gimple* statement, tree variable) {
    WayBack way(SSA_NAME_DEF_STMT(name));
    const gimple* call = gimple_code(statement) == GIMPLE_PHI
                             ? way.waits_before_end(gimple_phi_arg_edge(as_a<gphi*>(statement), PHI_ARG_INDEX_FROM_USE(use))->src)
                             : way.waits_before(statement);
    if (call == nullptr) return false;
    warning_at(gimple_location(call), 0, "the address of %<thread_local%> %qD is kept across this call, after which the "
               "goroutine may be on another thread", variable);
    return true;
  }
};

}  // namespace

opt_pass* new_thread_local_pass(gcc::context* context) { return new ThreadLocalPass(context); }
