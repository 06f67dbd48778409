// Every input row is counted once in each set: the rows times the numbers of the sets, keys that a set has not made NULL, one
// aggregation by set and keys. The input is read once, however many sets there are.
//
// The empty set has a row even when there is no input: a row of NULLs stands in for it, which the aggregates leave out by a filter.

#include "sql/grouping_sets.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/range_source.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;
using Sets = std::vector<std::vector<size_t>>;

constexpr size_t kMostSets = 4096;

class ClauseReader {
 public:
  ClauseReader(GroupingClause& out, const ParsedText& text) : out_(out), text_(text) {}

  // The sets an element of the clause stands for.
  arrow::Result<Sets> read(const PgQuery__Node& n) {
    if (n.node_case != PG_QUERY__NODE__NODE_GROUPING_SET) {
      ARROW_ASSIGN_OR_RAISE(auto one, keys_of(n));
      return Sets{std::move(one)};
    }
    const PgQuery__GroupingSet& g = *n.grouping_set;
    switch (g.kind) {
      case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY: return Sets{{}};
      case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SETS: {
        Sets all;
        for (size_t i = 0; i < g.n_content; ++i) {
          ARROW_ASSIGN_OR_RAISE(const Sets some, read(*g.content[i]));
          all.insert(all.end(), some.begin(), some.end());
        }
        return all;
      }
      case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_ROLLUP:
      case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE: return rolled(g);
      default: return text_.error("this form of GROUP BY is not supported", g.location);
    }
  }

 private:
  arrow::Result<std::vector<size_t>> keys_of(const PgQuery__Node& n) {
    std::vector<size_t> out;
    if (n.node_case == PG_QUERY__NODE__NODE_ROW_EXPR && n.row_expr->row_format == PG_QUERY__COERCION_FORM__COERCE_IMPLICIT_CAST) {
      for (size_t i = 0; i < n.row_expr->n_args; ++i) {
        ARROW_ASSIGN_OR_RAISE(const auto some, keys_of(*n.row_expr->args[i]));
        out.insert(out.end(), some.begin(), some.end());
      }
      return out;
    }
    out_.keys.push_back(&n);
    return std::vector<size_t>{out_.keys.size() - 1};
  }

  arrow::Result<Sets> rolled(const PgQuery__GroupingSet& g) {
    const bool cube = g.kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE;
    std::vector<std::vector<size_t>> parts;
    for (size_t i = 0; i < g.n_content; ++i) {
      ARROW_ASSIGN_OR_RAISE(auto keys, keys_of(*g.content[i]));
      parts.push_back(std::move(keys));
    }
    if (cube && parts.size() > 12) return text_.error("CUBE is limited to 12 elements", g.location);
    Sets out;
    const size_t n = cube ? size_t{1} << parts.size() : parts.size() + 1;
    for (size_t s = 0; s < n; ++s) {
      std::vector<size_t> one;
      for (size_t i = 0; i < parts.size(); ++i) {
        const bool in = cube ? ((s >> (parts.size() - 1 - i)) & 1) == 0 : i < parts.size() - s;
        if (in) one.insert(one.end(), parts[i].begin(), parts[i].end());
      }
      out.push_back(std::move(one));
    }
    return out;
  }

  GroupingClause& out_;
  const ParsedText& text_;
};

bool contains(const std::vector<size_t>& set, size_t key) { return std::find(set.begin(), set.end(), key) != set.end(); }

NodePtr set_is_one_of(const std::vector<int64_t>& sets) {
  std::vector<NodePtr> args{expr::column(kSetColumn)};
  for (const int64_t s : sets) args.push_back(expr::literal(s));
  return expr::call("is_in", std::move(args));
}

std::string raw_name(size_t key) { return "$raw" + std::to_string(key); }

// What the aggregation reads, once for each set: columns of aggregates, keys under raw_name(), $real.
arrow::Result<PlanPtr> repeated(PlanPtr input, const std::vector<NodePtr>& keys, const std::vector<NodePtr>& aggregates,
                                const std::vector<int64_t>& empty_sets, int64_t sets) {
  std::vector<std::string> columns;
  for (const NodePtr& a : aggregates) expr::collect_columns(*a, columns);
  std::vector<NodePtr> outputs;
  for (const std::string& c : columns) outputs.push_back(expr::column(c));
  for (size_t k = 0; k < keys.size(); ++k) outputs.push_back(expr::alias(keys[k]->args[0], raw_name(k)));
  outputs.push_back(expr::alias(expr::literal(true), "$real"));
  ARROW_ASSIGN_OR_RAISE(PlanPtr rows, plan::make_project(std::move(input), std::move(outputs)));
  ARROW_ASSIGN_OR_RAISE(auto source, io::scan_range(0, 1, sets, kSetColumn));
  ARROW_ASSIGN_OR_RAISE(const PlanPtr numbers, plan::make_scan(std::move(source)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr all, plan::make_cross_join(rows, numbers));
  if (empty_sets.empty()) return all;
  std::vector<NodePtr> nothing;
  for (const auto& f : rows->schema->fields()) {
    const NodePtr null = expr::cast(expr::null_literal(), column::canonical_type(f->type()));
    nothing.push_back(expr::alias(f->name() == "$real" ? expr::literal(false) : null, f->name()));
  }
  nothing.push_back(expr::column(kSetColumn));
  ARROW_ASSIGN_OR_RAISE(PlanPtr stand_ins, plan::make_filter(numbers, set_is_one_of(empty_sets)));
  ARROW_ASSIGN_OR_RAISE(stand_ins, plan::make_project(std::move(stand_ins), std::move(nothing)));
  return plan::make_union({std::move(all), std::move(stand_ins)});
}

// The aggregate over rows of the input only.
NodePtr over_real_rows(const NodePtr& aliased) {
  auto copy = std::make_shared<expr::Node>(*aliased->args[0]);
  const NodePtr real = expr::column("$real");
  copy->filter = copy->filter ? expr::call("and", {copy->filter, real}) : real;
  return expr::alias(std::move(copy), aliased->name);
}

}  // namespace

arrow::Result<GroupingClause> grouping_clause(const PgQuery__SelectStmt& s, const ParsedText& text) {
  GroupingClause out;
  out.distinct = s.group_distinct;
  out.sets = {{}};
  for (size_t i = 0; i < s.n_group_clause; ++i) {
    ARROW_ASSIGN_OR_RAISE(const Sets more, ClauseReader(out, text).read(*s.group_clause[i]));
    if (out.sets.size() * more.size() > kMostSets)
      return base::plan_error("GROUP BY makes more than " + std::to_string(kMostSets) + " grouping sets");
    Sets product;
    for (const auto& a : out.sets) {
      for (const auto& b : more) {
        product.push_back(a);
        product.back().insert(product.back().end(), b.begin(), b.end());
      }
    }
    out.sets = std::move(product);
  }
  return out;
}

arrow::Result<PlanPtr> aggregate_sets(PlanPtr input, const std::vector<NodePtr>& keys, const std::vector<NodePtr>& aggregates,
                                      const Sets& sets) {
  std::vector<int64_t> empty_sets;
  for (size_t s = 0; s < sets.size(); ++s) {
    if (sets[s].empty()) empty_sets.push_back(static_cast<int64_t>(s));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr rows, repeated(std::move(input), keys, aggregates, empty_sets, std::ssize(sets)));
  std::vector<NodePtr> group{expr::column(kSetColumn)};
  for (size_t k = 0; k < keys.size(); ++k) {
    std::vector<int64_t> with;
    for (size_t s = 0; s < sets.size(); ++s) {
      if (contains(sets[s], k)) with.push_back(static_cast<int64_t>(s));
    }
    NodePtr key = expr::column(raw_name(k));
    if (with.size() < sets.size()) key = expr::call("case", {set_is_one_of(with), std::move(key)});
    group.push_back(expr::alias(std::move(key), keys[k]->name));
  }
  std::vector<NodePtr> computed;
  for (const NodePtr& a : aggregates) computed.push_back(empty_sets.empty() ? a : over_real_rows(a));
  return plan::make_aggregate(std::move(rows), std::move(group), std::move(computed));
}

NodePtr grouping_value(const std::vector<size_t>& keys, const Sets& sets) {
  const auto value = [&](const std::vector<size_t>& set) {
    int64_t bits = 0;
    for (const size_t k : keys) bits = bits * 2 + (contains(set, k) ? 0 : 1);
    return expr::literal(bits);
  };
  if (sets.size() == 1) return value(sets[0]);
  std::vector<NodePtr> parts;
  for (size_t s = 0; s + 1 < sets.size(); ++s) {
    parts.push_back(expr::call("eq", {expr::column(kSetColumn), expr::literal(static_cast<int64_t>(s))}));
    parts.push_back(value(sets[s]));
  }
  parts.push_back(value(sets.back()));
  return expr::call("case", std::move(parts));
}

}  // namespace gristmill::sqltext
