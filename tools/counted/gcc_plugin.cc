// The counted flavour's GCC 12 plugin: a tick at every function entry and loop back edge.
//
// Three passes.
//  - `mark`, when a function has its control flow graph: notes on its declaration that its unit is counted,
//    which link-time optimisation carries along, so that plain and counted units may be optimised together.
//  - `tick`, after the last GIMPLE pass (`optimized`): inserts the sites. So late, because loops are
//    vectorised and unrolled by then: a site in the loop would keep them from it. Every cycle of the
//    graph has a back edge of a depth-first search, irreducible ones too, so every cycle gets a site.
//    Later passes copy, merge and thread blocks but keep the order of volatile statements along every
//    path, so no cycle loses its site. What they add are cycles of their own (expanded string
//    operations, compare-and-swap loops); the check (check_ticks.py) knows those.
//  - `range`, before code is output: labels round the function and its cold part, for the table of
//    counted text; and a `ud2` behind each call that does not return, which tells the check what else
//    only the compiler knows.
//
// An edge that cannot be split (exceptions, computed goto) gets its site at the head of its target,
// where it counts for the other edges too: more ticks, never fewer.
//
// A function marked [[gnu::reprise_uncounted]] is left alone, and so are naked ones. With GCC the
// function that counts is the one into which others were inlined.
#include <gcc-plugin.h>
#include <plugin-version.h>

#include <tree.h>
#include <gimple.h>
#include <tree-pass.h>
#include <context.h>
#include <basic-block.h>
#include <cfganal.h>
#include <gimple-iterator.h>
#include <tree-cfg.h>
#include <cfghooks.h>
#include <ssa.h>
#include <tree-into-ssa.h>
#include <stringpool.h>
#include <attribs.h>
#include <memmodel.h>
#include <rtl.h>
#include <emit-rtl.h>
#include <diagnostic-core.h>

#include <string>
#include <string_view>

#include "tools/counted/gcc_thread_local.h"
#include "tools/counted/site.h"

int plugin_is_GPL_compatible;

namespace {

constexpr char kUncounted[] = "reprise_uncounted";
constexpr char kCounted[] = "reprise counted";  // no program can write it

bool has(const function* f, const char* attribute) {
  return lookup_attribute(attribute, DECL_ATTRIBUTES(f->decl)) != NULL_TREE;
}

bool left_out(const function* f) { return has(f, kUncounted) || has(f, "naked"); }

// In link-time optimisation units of both kinds come together.
bool counted(const function* f) { return !left_out(f) && (!in_lto_p || has(f, kCounted)); }

// GIMPLE's asm doubles `%`.
std::string site_text() {
  std::string text;
  for (const char c : std::string_view(TICK_SITE_ASM)) text.append(c == '%' ? 2 : 1, c);
  return text;
}

gasm* new_site() {
  static const std::string text = site_text();
  gasm* site = gimple_build_asm_vec(ggc_strdup(text.c_str()), nullptr, nullptr, nullptr, nullptr);
  gimple_asm_set_volatile(site, true);
  gimple_asm_set_inline(site, true);  // costs as little as it looks in the fast path
  return site;
}

void insert_on_back_edges(function* f) {
  mark_dfs_back_edges(f);
  auto_vec<edge> back_edges;
  basic_block block;
  FOR_EACH_BB_FN(block, f) {
    edge e;
    edge_iterator it;
    FOR_EACH_EDGE(e, it, block->succs) {
      if (e->flags & EDGE_DFS_BACK) back_edges.safe_push(e);
    }
  }
  for (const edge e : back_edges) {
    if (e->flags & (EDGE_ABNORMAL | EDGE_EH)) {
      gimple_stmt_iterator head = gsi_after_labels(e->dest);
      gsi_insert_before(&head, new_site(), GSI_NEW_STMT);
    } else {
      gsi_insert_on_edge(e, new_site());
    }
  }
  gsi_commit_edge_inserts();
}

void insert_at_entry(function* f) {
  gsi_insert_on_edge_immediate(single_succ_edge(ENTRY_BLOCK_PTR_FOR_FN(f)), new_site());
}

constexpr pass_data gimple_pass(const char* name) {
  return {GIMPLE_PASS, name, OPTGROUP_NONE, TV_NONE, PROP_cfg, 0, 0, 0, 0};
}

class MarkPass final : public gimple_opt_pass {
 public:
  explicit MarkPass(gcc::context* context) : gimple_opt_pass(gimple_pass("reprise-mark"), context) {}
  unsigned execute(function* f) override {
    if (left_out(f) || has(f, kCounted)) return 0;
    DECL_ATTRIBUTES(f->decl) = tree_cons(get_identifier(kCounted), NULL_TREE, DECL_ATTRIBUTES(f->decl));
    return 0;
  }
};

class TickPass final : public gimple_opt_pass {
 public:
  explicit TickPass(gcc::context* context) : gimple_opt_pass(gimple_pass("reprise-tick"), context) {}
  bool gate(function* f) override { return counted(f); }
  unsigned execute(function* f) override {
    insert_on_back_edges(f);
    insert_at_entry(f);
    return TODO_update_ssa_only_virtuals;
  }
};

class RangePass final : public rtl_opt_pass {
 public:
  explicit RangePass(gcc::context* context)
      : rtl_opt_pass({RTL_PASS, "reprise-range", OPTGROUP_NONE, TV_NONE, 0, 0, 0, 0, 0}, context) {}
  bool gate(function* f) override { return counted(f); }

  unsigned execute(function*) override {
    end_calls_that_do_not_return();
    emit_insn_before(begin(), get_insns());
    for (rtx_insn* insn = get_insns(); insn != nullptr; insn = NEXT_INSN(insn)) {
      if (!NOTE_P(insn) || NOTE_KIND(insn) != NOTE_INSN_SWITCH_TEXT_SECTIONS) continue;
      emit_insn_before(end(), insn);
      insn = emit_insn_after(begin(), insn);
    }
    emit_insn_after(end(), get_last_insn());
    return 0;
  }

 private:
  rtx begin() { return text(".Lreprise_begin" + std::to_string(++ranges_) + ":"); }
  rtx end() {
    const std::string n = std::to_string(ranges_);
    return text(".Lreprise_end" + n + ":\n\t.pushsection " TICK_RANGE_SECTION ", \"aw?\", @progbits\n\t.long .Lreprise_begin" +
                n + " - ., .Lreprise_end" + n + " - .Lreprise_begin" + n + "\n\t.popsection");
  }
  static void end_calls_that_do_not_return() {
    for (rtx_insn* insn = get_insns(); insn != nullptr; insn = NEXT_INSN(insn)) {
      if (!CALL_P(insn) || SIBLING_CALL_P(insn)) continue;
      const rtx_insn* next = next_nonnote_nondebug_insn(insn);
      if (next != nullptr && BARRIER_P(next)) emit_insn_after(text("ud2"), insn);
    }
  }

  // An asm must have a place, or the compiler falls over when it says where the asm is from.
  static rtx text(const std::string& line) {
    return gen_rtx_ASM_INPUT_loc(VOIDmode, ggc_strdup(line.c_str()), BUILTINS_LOCATION);
  }

  unsigned ranges_ = 0;
};

tree accept(tree*, tree, tree, int, bool*) { return NULL_TREE; }

attribute_spec attributes[] = {
    {kUncounted, 0, 0, true, false, false, false, accept, nullptr},
    {kCounted, 0, 0, true, false, false, false, accept, nullptr},
};

void register_attributes(void*, void*) {
  for (attribute_spec& attribute : attributes) register_attribute(&attribute);
}

// -fplugin-arg-NAME-…
bool argument_given(const plugin_name_args* info, const char* key) {
  for (int i = 0; i < info->argc; ++i) {
    if (std::string_view(info->argv[i].key) == key) return true;
  }
  return false;
}

void add_pass(const char* plugin, opt_pass* pass, const char* reference, pass_positioning_ops where) {
  register_pass_info info = {pass, reference, 1, where};
  register_callback(plugin, PLUGIN_PASS_MANAGER_SETUP, nullptr, &info);
}

}  // namespace

int plugin_init(plugin_name_args* info, plugin_gcc_version* version) {
  if (!plugin_default_version_check(version, &gcc_version)) {
    error("the plugin of the counted flavour was built for another GCC: %s, not %s",
          gcc_version.basever, version->basever);
    return 1;
  }
  const char* const name = info->base_name;
  register_callback(name, PLUGIN_ATTRIBUTES, register_attributes, nullptr);
  add_pass(name, new MarkPass(g), "cfg", PASS_POS_INSERT_AFTER);
  if (!argument_given(info, "no-thread-local")) {
    add_pass(name, new_thread_local_pass(g), "ssa", PASS_POS_INSERT_AFTER);
  }
  add_pass(name, new TickPass(g), "optimized", PASS_POS_INSERT_AFTER);
  add_pass(name, new RangePass(g), "shorten", PASS_POS_INSERT_BEFORE);
  return 0;
}
