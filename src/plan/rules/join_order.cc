// Inner joins whose rows nobody sees in order are put in the order that is guessed to be the cheapest.
//
//   join on o = l: (join on c = o: customer orders) lineitem   ->   join on o = l: lineitem (join on o = c: orders customer)
//
// Inner and cross joins, the filters between them and projections of plain columns are one graph: its leaves are whatever else there is,
// its edges the equalities. Equal columns of one type are one class, so a = b and b = c joins a to c as well. Up to ten leaves all trees
// without cross products are compared (over subsets), more are joined greedily, smallest result first. A join costs the rows it
// probes, twice those it builds a table of, and those it gives; the right side is built.
//
// Only where no join fails by itself and at most one leaf can: else another error could come first. A tree is left alone unless a better
// one is found, so that the rule comes to an end.

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <unordered_map>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/may_fail.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;
using Set = uint64_t;  // of leaves

constexpr size_t kLeastLeaves = 3, kMostCompared = 10, kMostLeaves = 60;  // of two, choose_build_side chooses
constexpr double kFilterKeeps = 0.3, kBuildCost = 2, kBetter = 0.99;

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

std::string unique_name(size_t leaf, const std::string& column) { return "#" + std::to_string(leaf) + "." + column; }

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

  // Null: none better than the one that is there.
  TreePtr best() const {
    TreePtr found = leaves_.size() <= kMostCompared ? compared() : greedy();
    return found && found->cost < current_->cost * kBetter ? found : nullptr;
  }

  arrow::Result<PlanPtr> build(const Tree& tree, const Plan& like) const {
    Built top;
    ARROW_ASSIGN_OR_RAISE(top, built(tree));
    std::vector<NamedExpr> outputs;
    for (int i = 0; i < like.schema->num_fields(); ++i)
      outputs.push_back({like.schema->field(i)->name(), expr::column(top.names.at(outputs_.at(static_cast<size_t>(i))))});
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, project_node(top.plan, std::move(outputs)));
    return unordered(out);
  }

 private:
  struct Built {
    PlanPtr plan;
    std::map<std::string, std::string> names;  // of the graph -> of the plan
  };

  static PlanPtr unordered(const PlanPtr& p) {
    auto copy = copy_node(*p);
    copy->ordered = false;
    return copy;
  }

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

  // The best tree for each connected set; sets that nothing connects are crossed, smallest first.
  TreePtr compared() const {
    const Set full = (Set{1} << leaves_.size()) - 1;
    std::vector<TreePtr> best(full + 1);
    for (size_t i = 0; i < leaves_.size(); ++i) best[Set{1} << i] = with_rows(i);
    for (Set s = 1; s <= full; ++s) {
      if (std::has_single_bit(s)) continue;
      for (Set a = (s - 1) & s; a > 0; a = (a - 1) & s) {
        const Set b = s & ~a;
        if (a < b || !best[a] || !best[b] || !connected(a, b)) continue;
        if (!best[s] || cost_of(*best[a], *best[b]) < best[s]->cost) best[s] = joined(best[a], best[b]);
      }
    }
    if (best[full]) return best[full];
    std::vector<TreePtr> parts;
    for (Set left = full; left != 0;) {
      Set grown = left & (~left + 1);
      for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < leaves_.size(); ++i) {
          const Set one = Set{1} << i;
          if (grown & one || !connected(grown, one)) continue;
          grown |= one;
          more = true;
        }
      }
      if (!best[grown]) return nullptr;
      parts.push_back(best[grown]);
      left &= ~grown;
    }
    return crossed(std::move(parts));
  }

  TreePtr crossed(std::vector<TreePtr> parts) const {
    std::stable_sort(parts.begin(), parts.end(), [](const TreePtr& a, const TreePtr& b) { return a->rows < b->rows; });
    TreePtr all = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) all = joined(all, parts[i]);
    return all;
  }

  TreePtr greedy() const {
    std::vector<TreePtr> trees;
    for (size_t i = 0; i < leaves_.size(); ++i) trees.push_back(with_rows(i));
    while (trees.size() > 1) {
      TreePtr pick;
      size_t x = 0, y = 0;
      for (size_t i = 0; i < trees.size(); ++i) {
        for (size_t j = i + 1; j < trees.size(); ++j) {
          if (!connected(trees[i]->set, trees[j]->set)) continue;
          TreePtr t = joined(trees[i], trees[j]);
          if (pick && pick->rows <= t->rows) continue;
          pick = std::move(t);
          x = i;
          y = j;
        }
      }
      if (!pick) return crossed(std::move(trees));
      trees[x] = std::move(pick);
      trees.erase(trees.begin() + static_cast<std::ptrdiff_t>(y));
    }
    return trees[0];
  }

  NodePtr in_plan(const NodePtr& e, const Built& b) const {
    Substitution by_name;
    for (const auto& [graph, own] : b.names) by_name.emplace(graph, expr::column(own));
    return substitute(e, by_name);
  }

  arrow::Result<Built> built(const Tree& t) const {
    Built out;
    if (!t.left) {
      const auto leaf = static_cast<size_t>(std::countr_zero(t.set));
      out.plan = leaves_[leaf];
      for (const auto& f : out.plan->schema->fields()) out.names.emplace(unique_name(leaf, f->name()), f->name());
      return filtered_leaf(std::move(out), t.set);
    }
    ARROW_ASSIGN_OR_RAISE(const Built l, built(*t.left));
    ARROW_ASSIGN_OR_RAISE(const Built r, built(*t.right));
    JoinParts parts;
    for (const auto& c : classes_) {
      const Member *a = member_in(c, t.left->set), *b = member_in(c, t.right->set);
      if (!a || !b) continue;
      parts.left_keys.push_back(expr::column(l.names.at(a->name)));
      parts.right_keys.push_back(expr::column(r.names.at(b->name)));
    }
    std::vector<NodePtr> after;
    for (const Edge& e : edges_) {
      if (spans(e, t.left->set, t.right->set)) {
        const bool straight = (e.of_left & ~t.left->set) == 0;
        parts.left_keys.push_back(in_plan(straight ? e.left : e.right, l));
        parts.right_keys.push_back(in_plan(straight ? e.right : e.left, r));
      } else if (lands(e, t.left->set, t.right->set)) {
        after.push_back(e.right ? expr::call("eq", {e.left, e.right}) : e.left);
      }
    }
    parts.suffix = "_right";
    int column = 0;
    for (const Built* side : {&l, &r}) {
      std::map<std::string, std::string> back;
      for (const auto& [graph, own] : side->names) back.emplace(own, graph);
      for (const auto& f : side->plan->schema->fields()) {
        parts.output.push_back(column++);
        const std::string& graph = back.at(f->name());
        parts.names.push_back(shown(graph));
        out.names.emplace(graph, parts.names.back());
      }
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr join, join_node(l.plan, r.plan, std::move(parts)));
    out.plan = unordered(join);
    if (!after.empty()) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr filter, filter_node(out.plan, expr::conjunction(after)));
      out.plan = unordered(filter);
    }
    return out;
  }

  // A column's own name, unless leaves share it.
  const std::string& shown(const std::string& name) const {
    const auto own = own_names_.find(own_name(name));
    return own->second == 1 ? own->first : name;
  }

  // What can be told over one leaf alone; conditions on no column at all stand above the first.
  arrow::Result<Built> filtered_leaf(Built leaf, Set set) const {
    std::vector<NodePtr> own;
    for (const Edge& e : edges_) {
      const bool here = e.all() == set || (e.all() == 0 && set == 1);
      if (here) own.push_back(in_plan(e.right ? expr::call("eq", {e.left, e.right}) : e.left, leaf));
    }
    if (own.empty()) return leaf;
    ARROW_ASSIGN_OR_RAISE(PlanPtr filter, filter_node(leaf.plan, expr::conjunction(own)));
    leaf.plan = unordered(filter);
    return leaf;
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

bool starts_tree(const Plan& p) {
  if (p.kind == PlanKind::kFilter) return !p.ordered && starts_tree(*p.inputs[0]);
  return !p.ordered && p.kind == PlanKind::kJoin && p.join == JoinKind::kInner && !p.nulls_equal;
}

// Top-down: a tree is taken whole, and what is inside one that stays is none of its own.
arrow::Result<PlanPtr> reorder(const PlanPtr& p, bool inside, std::map<const Plan*, PlanPtr>& seen) {
  if (const auto known = seen.find(p.get()); known != seen.end()) return known->second;
  PlanPtr out = p;
  bool member = inside;
  if (!inside && starts_tree(*p)) {
    Graph graph;
    ARROW_ASSIGN_OR_RAISE(const bool free, graph.read(p));
    member = graph.is_tree();
    if (const TreePtr best = free ? graph.best() : nullptr) {
      ARROW_ASSIGN_OR_RAISE(out, graph.build(*best, *p));
      if (!out->schema->Equals(*p->schema)) out = p;
    }
  }
  if (out == p) {
    std::vector<PlanPtr> inputs;
    for (const PlanPtr& in : p->inputs) {
      const bool goes_on = member && (in->kind == PlanKind::kJoin || in->kind == PlanKind::kFilter || in->kind == PlanKind::kProject);
      ARROW_ASSIGN_OR_RAISE(PlanPtr one, reorder(in, goes_on && Graph::over_join(*in), seen));
      inputs.push_back(std::move(one));
    }
    if (inputs != p->inputs) {
      ARROW_ASSIGN_OR_RAISE(out, with_inputs(*p, std::move(inputs)));
    }
  }
  seen.emplace(p.get(), out);
  return out;
}

}  // namespace

arrow::Result<PlanPtr> join_order(const PlanPtr& plan) {
  std::map<const Plan*, PlanPtr> seen;
  return reorder(plan, false, seen);
}

}  // namespace gristmill::plan
