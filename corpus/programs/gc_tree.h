// Trees of collected objects that know what they must hold: what gc_graph and the collector's soak build, exchange and drop.
//
// A node's check is a function of its tree's number and of its place (1 is the root, 2n and 2n + 1 are the children of n), so whoever
// comes by a node can tell whether it is whole, whoever made it, and whatever tree it hangs in by now.
//
// Thread safety: as that of gc::Ptr; who changes a tree that others see holds their lock.
#pragma once

#include <reprise/gc.h>

#include <cstdint>

struct GcTreeNode {
  uint64_t tree = 0;
  reprise::gc::Ptr<GcTreeNode> left, right;
  uint64_t place = 0;
  uint64_t check = 0;
};
REPRISE_GC_FIELDS(GcTreeNode, left, right)

using GcTree = reprise::gc::Ptr<GcTreeNode>;

inline uint64_t gc_tree_check(uint64_t tree, uint64_t place) {
  return (tree * 0x9e3779b97f4a7c15) ^ (place + 1) * 0xbf58476d1ce4e5b9;
}

inline bool gc_tree_intact(const GcTreeNode& node) { return node.check == gc_tree_check(node.tree, node.place); }

inline GcTree gc_tree_build(uint64_t tree, uint64_t place, int depth) {
  GcTree node = reprise::gc::make<GcTreeNode>();
  node->tree = tree;
  node->place = place;
  node->check = gc_tree_check(tree, place);
  if (depth > 0) {
    node->left = gc_tree_build(tree, 2 * place, depth - 1);
    node->right = gc_tree_build(tree, 2 * place + 1, depth - 1);
  }
  return node;
}

// Calls visit(node) for each, by raw pointers: stacks keep what they are at. Stops below a node for which it answers false.
template <class Visit>
void gc_tree_walk(const GcTreeNode* node, Visit&& visit) {
  if (node == nullptr || !visit(*node)) return;
  gc_tree_walk(node->left.get(), visit);
  gc_tree_walk(node->right.get(), visit);
}
