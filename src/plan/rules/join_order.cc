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
#include <map>

#include <arrow/type.h>

#include "plan/nodes.h"
#include "plan/rules/join_graph.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;
using namespace joins;

constexpr size_t kMostCompared = 10;
constexpr double kBetter = 0.99;

class Ordering : public Graph {
 public:
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
      ARROW_ASSIGN_OR_RAISE(PlanPtr filter, filter_node(out.plan, in_plan(expr::conjunction(after), out)));
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
    Ordering graph;
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
