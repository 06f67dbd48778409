// A tree of inner joins as a graph: leaves, what is equal among their columns, and guesses of rows.
//
// Columns are called "#<leaf>.<column>". Equal columns of one type are a class; other equalities and filters are edges. How many rows a set
// of leaves gives together depends on the set alone, so that no tree is ever guessed to be better than itself.
#pragma once

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/may_fail.h"
#include "plan/statistics.h"

namespace gristmill::plan::joins {

using expr::NodePtr;
using Set = uint64_t;  // of leaves

inline constexpr size_t kLeastLeaves = 3, kMostLeaves = 60;  // of two, choose_build_side chooses
inline constexpr double kFilterKeeps = 0.3, kBuildCost = 2;

struct Edge {  // left = right, or, right null, a filter
  NodePtr left, right;
  Set of_left = 0, of_right = 0;
  Set all() const { return of_left | of_right; }
};

struct Member {
  std::string name;
  int leaf = 0;
  double distinct = 1;
};

struct Tree {
  Set set = 0;
  double rows = 0, cost = 0;
  std::shared_ptr<const Tree> left, right;  // null: a leaf
};
using TreePtr = std::shared_ptr<const Tree>;

inline std::string unique_name(size_t leaf, const std::string& column) { return "#" + std::to_string(leaf) + "." + column; }

class Graph {
 public:
  // Filters and projections are of the tree only between its joins.
  static bool over_join(const Plan& p) {
    if (p.kind == PlanKind::kFilter || p.kind == PlanKind::kProject) return !p.ordered && over_join(*p.inputs[0]);
    return !p.ordered && p.kind == PlanKind::kJoin && p.join == JoinKind::kInner && !p.nulls_equal;
  }

  // The columns of `p` by their names in the graph, and the tree as it stands; nothing when this is no tree to be touched.
  arrow::Result<bool> read(const PlanPtr& p) {
    ARROW_ASSIGN_OR_RAISE(current_, flatten(p, outputs_));
    if (!usable_ || leaves_.size() < kLeastLeaves || leaves_.size() > kMostLeaves) return false;
    int failing = 0;
    for (const PlanPtr& leaf : leaves_) {
      const auto rows = estimate_rows(*leaf).likely;
      if (!rows) return false;
      rows_.push_back(std::max(static_cast<double>(*rows), 1.0));
      ARROW_ASSIGN_OR_RAISE(const bool fails, may_fail(*leaf));
      failing += fails;
    }
    if (failing > 1) return false;
    ARROW_RETURN_NOT_OK(sort_conditions());
    prepare();
    current_ = measured(*current_);
    return true;
  }

  bool is_tree() const { return leaves_.size() > 1; }

 protected:
  static TreePtr leaf_tree(size_t leaf) {
    auto t = std::make_shared<Tree>();
    t->set = Set{1} << leaf;
    return t;
  }

  // `names[i]`: what column i of p is in the graph.
  arrow::Result<TreePtr> flatten(const PlanPtr& p, std::vector<std::string>& names) {
    if (!p->ordered && p->kind == PlanKind::kJoin && p->join == JoinKind::kInner && !p->nulls_equal) {
      ARROW_ASSIGN_OR_RAISE(const bool fails, join_may_fail(*p));
      if (!fails) return flatten_join(*p, names);
    }
    if (!p->ordered && p->kind == PlanKind::kFilter) {
      ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(p->predicate, *p->inputs[0]->schema));
      if (!fails && over_join(*p->inputs[0])) {
        ARROW_ASSIGN_OR_RAISE(TreePtr t, flatten(p->inputs[0], names));
        for (const NodePtr& c : expr::conjuncts(p->predicate)) conditions_.push_back(in_graph(c, *p->inputs[0], names));
        return t;
      }
    }
    if (!p->ordered && p->kind == PlanKind::kProject && over_join(*p->inputs[0]) && check_unique(*p->inputs[0]->schema).ok() &&
        std::all_of(p->exprs.begin(), p->exprs.end(), [](const NamedExpr& e) { return is_column(e); })) {
      std::vector<std::string> below;
      ARROW_ASSIGN_OR_RAISE(TreePtr t, flatten(p->inputs[0], below));
      for (const NamedExpr& e : p->exprs) names.push_back(below[static_cast<size_t>(p->inputs[0]->schema->GetFieldIndex(e.expr->name))]);
      return t;
    }
    usable_ = usable_ && check_unique(*p->schema).ok();
    for (const auto& f : p->schema->fields()) {
      names.push_back(unique_name(leaves_.size(), f->name()));
      ++own_names_[f->name()];
    }
    leaves_.push_back(p);
    return leaf_tree(leaves_.size() - 1);
  }

  arrow::Result<TreePtr> flatten_join(const Plan& p, std::vector<std::string>& names) {
    std::vector<std::string> sides[2];
    auto t = std::make_shared<Tree>();
    ARROW_ASSIGN_OR_RAISE(t->left, flatten(p.inputs[0], sides[0]));
    ARROW_ASSIGN_OR_RAISE(t->right, flatten(p.inputs[1], sides[1]));
    t->set = t->left->set | t->right->set;
    for (size_t k = 0; k < p.left_keys.size(); ++k) {
      conditions_.push_back(
          expr::call("eq", {in_graph(p.left_keys[k], *p.inputs[0], sides[0]), in_graph(p.right_keys[k], *p.inputs[1], sides[1])}));
    }
    const int left = p.inputs[0]->schema->num_fields();
    for (const int c : p.join_output) names.push_back(sides[c < left ? 0 : 1][static_cast<size_t>(c < left ? c : c - left)]);
    return t;
  }

  static NodePtr in_graph(const NodePtr& e, const Plan& p, const std::vector<std::string>& names) {
    Substitution by_name;
    for (int i = 0; i < p.schema->num_fields(); ++i)
      by_name.emplace(p.schema->field(i)->name(), expr::column(names[static_cast<size_t>(i)]));
    return substitute(e, by_name);
  }

  Set leaves_of(const expr::Node& e) const {
    Set out = 0;
    for (const std::string& n : columns_of(e)) out |= Set{1} << leaf_of(n);
    return out;
  }
  static int leaf_of(const std::string& name) { return std::stoi(name.substr(1)); }
  static std::string own_name(const std::string& name) { return name.substr(name.find('.') + 1); }

  column::TypePtr type_of(const std::string& name) const {
    return column::canonical_type(leaves_[static_cast<size_t>(leaf_of(name))]->schema->GetFieldByName(own_name(name))->type());
  }

  arrow::Status sort_conditions() {
    for (const NodePtr& c : conditions_) {
      const bool equality = c->kind == expr::NodeKind::kCall && c->name == "eq" && c->args.size() == 2;
      if (equality) {
        const Set l = leaves_of(*c->args[0]), r = leaves_of(*c->args[1]);
        const bool columns = is_column(*c->args[0]) && is_column(*c->args[1]);
        if (columns && l != r && type_of(c->args[0]->name)->Equals(*type_of(c->args[1]->name))) {
          merge(c->args[0]->name, c->args[1]->name);
          continue;
        }
        if (l && r && !(l & r)) {
          edges_.push_back({c->args[0], c->args[1], l, r});
          continue;
        }
      }
      edges_.push_back({c, nullptr, leaves_of(*c), 0});
    }
    return arrow::Status::OK();
  }

  size_t class_of(const std::string& name) {
    for (size_t i = 0; i < classes_.size(); ++i) {
      for (const Member& m : classes_[i]) {
        if (m.name == name) return i;
      }
    }
    const int leaf = leaf_of(name);
    const auto d = distinct_values(*leaves_[static_cast<size_t>(leaf)], own_name(name));
    classes_.push_back({{name, leaf, std::max(d.value_or(rows_[static_cast<size_t>(leaf)]), 1.0)}});
    return classes_.size() - 1;
  }

  void merge(const std::string& a, const std::string& b) {
    const size_t x = class_of(a), y = class_of(b);
    if (x == y) return;
    classes_[x].insert(classes_[x].end(), classes_[y].begin(), classes_[y].end());
    classes_.erase(classes_.begin() + static_cast<std::ptrdiff_t>(y));
  }

  // The member of a class that a set of leaves offers as a key.
  static const Member* member_in(const std::vector<Member>& members, Set set) {
    for (const Member& m : members) {
      if (set >> m.leaf & 1) return &m;
    }
    return nullptr;
  }

  bool spans(const Edge& e, Set a, Set b) const {
    if (!e.right) return false;
    return ((e.of_left & ~a) == 0 && (e.of_right & ~b) == 0) || ((e.of_left & ~b) == 0 && (e.of_right & ~a) == 0);
  }

  bool connected(Set a, Set b) const {
    for (const Set c : class_sets_) {
      if ((c & a) && (c & b)) return true;
    }
    return std::any_of(edges_.begin(), edges_.end(), [&](const Edge& e) { return spans(e, a, b); });
  }

  // Conditions that can be told over both and not over either: filters, and equalities of columns on the same side.
  static bool lands(const Edge& e, Set a, Set b) { return (e.all() & ~(a | b)) == 0 && (e.all() & ~a) != 0 && (e.all() & ~b) != 0; }

  // Of all pairs those that are equal: one in as many as there are values, of the side that has fewer. It depends on the set alone, not
  // on the tree, so that a tree is never better than itself.
  double rows_of(Set set) const {
    if (const auto known = rows_of_.find(set); known != rows_of_.end()) return known->second;
    double rows = 1;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (set >> i & 1) rows *= rows_[i];
    }
    for (size_t c = 0; c < classes_.size(); ++c) {
      double least = 0;
      for (const Member& m : classes_[c]) {
        if (set >> m.leaf & 1) least = least == 0 ? m.distinct : std::min(least, m.distinct);
      }
      for (int more = std::popcount(class_sets_[c] & set) - 1; more > 0; --more) rows /= least;
    }
    for (const auto& [pair, factor] : together_) {
      if ((pair & ~set) == 0) rows *= factor;
    }
    for (const Edge& e : edges_) {
      if ((e.all() & ~set) != 0 || std::popcount(e.all()) < 2) continue;
      rows = e.right ? rows / std::max(std::min(product(e.of_left), product(e.of_right)), 1.0) : rows * kFilterKeeps;
    }
    return rows_of_[set] = std::max(rows, 1.0);
  }

  double product(Set set) const {
    double rows = 1;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (set >> i & 1) rows *= rows_[i];
    }
    return rows;
  }

  // Two leaves that several classes join have no more different pairs of values than the smaller table has rows.
  void prepare() {
    for (const auto& c : classes_) {
      Set set = 0;
      for (const Member& m : c) set |= Set{1} << m.leaf;
      class_sets_.push_back(set);
    }
    for (size_t i = 0; i < leaves_.size(); ++i) {
      for (size_t j = i + 1; j < leaves_.size(); ++j) {
        const Set pair = Set{1} << i | Set{1} << j;
        double values = 1;
        int found = 0;
        for (size_t c = 0; c < classes_.size(); ++c) {
          if ((class_sets_[c] & pair) != pair) continue;
          ++found;
          double least = 0;
          for (const Member& m : classes_[c]) {
            if (pair >> m.leaf & 1) least = least == 0 ? m.distinct : std::min(least, m.distinct);
          }
          values *= least;
        }
        const double most = std::max(std::min(base_rows(i), base_rows(j)), 1.0);
        if (found > 1 && values > most) together_.emplace_back(pair, values / most);
      }
    }
  }

  // Before the leaf's own filters.
  double base_rows(size_t leaf) const {
    const Plan* p = leaves_[leaf].get();
    while (p->kind == PlanKind::kFilter || p->kind == PlanKind::kProject || (p->kind == PlanKind::kJoin && !has_right_columns(p->join)))
      p = p->inputs[0].get();
    if (p->kind != PlanKind::kScan) return rows_[leaf];
    return std::max(static_cast<double>(p->source->estimate().rows.value_or(0)), rows_[leaf]);
  }

  TreePtr joined(const TreePtr& a, const TreePtr& b, bool as_given = false) const {
    auto t = std::make_shared<Tree>();
    t->left = a;
    t->right = b;
    if (!as_given && a->rows < b->rows) std::swap(t->left, t->right);
    t->set = a->set | b->set;
    t->rows = rows_of(t->set);
    t->cost = as_given ? a->cost + b->cost + a->rows + kBuildCost * b->rows + t->rows : cost_of(*a, *b);
    return t;
  }

  double cost_of(const Tree& a, const Tree& b) const {
    return a.cost + b.cost + std::max(a.rows, b.rows) + kBuildCost * std::min(a.rows, b.rows) + rows_of(a.set | b.set);
  }

  TreePtr with_rows(size_t leaf) const {
    auto t = std::make_shared<Tree>();
    t->set = Set{1} << leaf;
    t->rows = rows_[leaf];
    return t;
  }

  TreePtr measured(const Tree& t) const {
    if (!t.left) return with_rows(static_cast<size_t>(std::countr_zero(t.set)));
    return joined(measured(*t.left), measured(*t.right), true);
  }

  bool usable_ = true;
  std::vector<PlanPtr> leaves_;
  std::vector<double> rows_;
  std::vector<std::string> outputs_;
  std::map<std::string, int> own_names_;
  std::vector<NodePtr> conditions_;
  std::vector<Edge> edges_;
  std::vector<std::vector<Member>> classes_;
  std::vector<Set> class_sets_;
  std::vector<std::pair<Set, double>> together_;
  mutable std::unordered_map<Set, double> rows_of_;
  TreePtr current_;
};

}  // namespace gristmill::plan::joins
