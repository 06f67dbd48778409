// Reads what serialize.cc writes. Names and types are checked again against the sources as they are now.

#include <simdjson.h>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/json.h"
#include "plan/expressions.h"
#include "plan/nodes/join_columns.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;
using simdjson::dom::element;

arrow::Status malformed(const std::string& what) { return base::plan_error("not a serialised plan: " + what); }

arrow::Result<element> member(const element& e, const char* name) {
  element out;
  if (e[name].get(out) != simdjson::SUCCESS) return malformed(std::string("a node without \"") + name + "\"");
  return out;
}

bool has(const element& e, const char* name) {
  element out;
  return e[name].get(out) == simdjson::SUCCESS;
}

bool flag(const element& e, const char* name, bool otherwise = false) {
  bool out = otherwise;
  if (e[name].get(out) != simdjson::SUCCESS) return otherwise;
  return out;
}

arrow::Result<int64_t> number(const element& e, const char* name) {
  int64_t out = 0;
  if (e[name].get(out) != simdjson::SUCCESS) return malformed(std::string("\"") + name + "\" is not a number");
  return out;
}

arrow::Result<std::string> text(const element& e, const char* name) {
  std::string_view out;
  if (e[name].get(out) != simdjson::SUCCESS) return malformed(std::string("\"") + name + "\" is not a string");
  return std::string(out);
}

// The items of array `name` through `read`.
template <typename T, typename F>
arrow::Result<std::vector<T>> list(const element& e, const char* name, F read) {
  simdjson::dom::array items;
  if (e[name].get(items) != simdjson::SUCCESS) return malformed(std::string("\"") + name + "\" is not a list");
  std::vector<T> out;
  for (const element item : items) {
    ARROW_ASSIGN_OR_RAISE(T one, read(item));
    out.push_back(std::move(one));
  }
  return out;
}

arrow::Result<std::string> string_of(const element& e) {
  std::string_view out;
  if (e.get(out) != simdjson::SUCCESS) return malformed("expected a string");
  return std::string(out);
}

arrow::Result<int> int_of(const element& e) {
  int64_t out = 0;
  if (e.get(out) != simdjson::SUCCESS || out < 0 || out > INT32_MAX) return malformed("expected a position");
  return static_cast<int>(out);
}

arrow::Result<NodePtr> expr_of(const element& e) { return expr::from_json(e); }

arrow::Result<NodePtr> expr_member(const element& e, const char* name) {
  ARROW_ASSIGN_OR_RAISE(const element x, member(e, name));
  return expr::from_json(x);
}

arrow::Result<NamedExpr> named_of(const element& e) {
  NamedExpr out;
  ARROW_ASSIGN_OR_RAISE(out.name, text(e, "name"));
  ARROW_ASSIGN_OR_RAISE(out.expr, expr_member(e, "expr"));
  return out;
}

arrow::Result<SortBy> sort_of(const element& e) {
  SortBy out;
  ARROW_ASSIGN_OR_RAISE(out.expr, expr_member(e, "expr"));
  out.descending = flag(e, "descending");
  out.nulls_first = flag(e, "nulls_first");
  return out;
}

arrow::Result<std::optional<int64_t>> optional_number(const element& e, const char* name) {
  if (!has(e, name)) return std::optional<int64_t>{};
  ARROW_ASSIGN_OR_RAISE(const int64_t n, number(e, name));
  if (n < 0) return malformed(std::string("\"") + name + "\" is negative");
  return std::optional<int64_t>(n);
}

constexpr std::pair<std::string_view, JoinKind> kJoins[] = {
    {"inner", JoinKind::kInner}, {"left", JoinKind::kLeft}, {"semi", JoinKind::kSemi}, {"anti", JoinKind::kAnti},
    {"right", JoinKind::kRight}, {"full", JoinKind::kFull}, {"asof", JoinKind::kAsof}};
constexpr std::pair<std::string_view, AsofStrategy> kStrategies[] = {
    {"backward", AsofStrategy::kBackward}, {"forward", AsofStrategy::kForward}, {"nearest", AsofStrategy::kNearest}};

template <typename T, size_t N>
arrow::Result<T> one_of(const element& e, const char* name, const std::pair<std::string_view, T> (&known)[N]) {
  ARROW_ASSIGN_OR_RAISE(const std::string given, text(e, name));
  for (const auto& [spelled, value] : known) {
    if (spelled == given) return value;
  }
  return malformed("\"" + given + "\" is not a " + name + " of join");
}

using Inputs = std::vector<PlanPtr>;

// What a node's reader may ask for.
struct Reader {
  const SourceResolver& resolve;

  arrow::Result<PlanPtr> scan(const element& e) const {
    ARROW_ASSIGN_OR_RAISE(const std::string kind, text(e, "source"));
    ARROW_ASSIGN_OR_RAISE(const element spec, member(e, "spec"));
    ARROW_ASSIGN_OR_RAISE(TableSourcePtr source, resolve(kind, simdjson::minify(spec)));
    ARROW_ASSIGN_OR_RAISE(const auto names, list<std::string>(e, "columns", string_of));
    std::vector<int> columns;
    for (const std::string& n : names) {
      ARROW_ASSIGN_OR_RAISE(const int at, find_column(*source->schema(), n));
      columns.push_back(at);
    }
    NodePtr predicate;
    if (has(e, "where")) {
      ARROW_ASSIGN_OR_RAISE(predicate, expr_member(e, "where"));
      ARROW_ASSIGN_OR_RAISE(const auto bound, expr::bind(predicate, *source->schema()));
      if (bound->type->id() != arrow::Type::BOOL || bound->fallible) {
        return base::plan_error("the source does not fit the plan any more: " + expr::text(*predicate) + " cannot filter its rows");
      }
    }
    ARROW_ASSIGN_OR_RAISE(const auto limit, optional_number(e, "limit"));
    return scan_node(std::move(source), std::move(columns), std::move(predicate), limit);
  }

  static arrow::Result<PlanPtr> filter(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(NodePtr predicate, expr_member(e, "predicate"));
    return make_filter(in[0], std::move(predicate));
  }

  static arrow::Result<PlanPtr> project(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto exprs, list<NamedExpr>(e, "exprs", named_of));
    return project_node(in[0], std::move(exprs));
  }

  static arrow::Result<PlanPtr> aggregate(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto keys, list<NamedExpr>(e, "keys", named_of));
    ARROW_ASSIGN_OR_RAISE(auto aggregates, list<NamedExpr>(e, "aggregates", named_of));
    for (const NamedExpr& a : aggregates) {
      if (a.expr->kind != expr::NodeKind::kAggregate) return malformed("\"" + a.name + "\" is not an aggregate");
    }
    return aggregate_node(in[0], std::move(keys), std::move(aggregates));
  }

  static arrow::Result<PlanPtr> window(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto functions, list<NamedExpr>(e, "functions", named_of));
    for (const NamedExpr& f : functions) {
      if (f.expr->kind != expr::NodeKind::kWindow) return malformed("\"" + f.name + "\" is not a window function");
    }
    return window_node(in[0], std::move(functions));
  }

  // Keys of one type on both sides.
  static arrow::Status check_pair(const NodePtr& left, const NodePtr& right, const Inputs& in) {
    ARROW_ASSIGN_OR_RAISE(auto l, expr::type_of(left, *in[0]->schema));
    ARROW_ASSIGN_OR_RAISE(auto r, expr::type_of(right, *in[1]->schema));
    if (l->Equals(*r)) return arrow::Status::OK();
    return base::plan_error("the keys of a join have different types now: " + column::type_text(*l) + " and " + column::type_text(*r));
  }

  static arrow::Result<AsofMatch> asof(const element& e, const Inputs& in) {
    AsofMatch out;
    ARROW_ASSIGN_OR_RAISE(out.left_on, expr_member(e, "left_on"));
    ARROW_ASSIGN_OR_RAISE(out.right_on, expr_member(e, "right_on"));
    ARROW_ASSIGN_OR_RAISE(out.strategy, one_of(e, "strategy", kStrategies));
    out.allow_exact = !flag(e, "not_exact");
    if (has(e, "tolerance")) {
      ARROW_ASSIGN_OR_RAISE(out.tolerance, expr_member(e, "tolerance"));
    }
    ARROW_RETURN_NOT_OK(settle_asof(*in[0], *in[1], out));
    return out;
  }

  static arrow::Result<PlanPtr> join(const element& e, Inputs in) {
    JoinParts parts;
    ARROW_ASSIGN_OR_RAISE(parts.kind, one_of(e, "kind", kJoins));
    ARROW_ASSIGN_OR_RAISE(parts.left_keys, list<NodePtr>(e, "left_keys", expr_of));
    ARROW_ASSIGN_OR_RAISE(parts.right_keys, list<NodePtr>(e, "right_keys", expr_of));
    if (parts.left_keys.size() != parts.right_keys.size()) return malformed("a join with unpaired keys");
    for (size_t i = 0; i < parts.left_keys.size(); ++i) ARROW_RETURN_NOT_OK(check_pair(parts.left_keys[i], parts.right_keys[i], in));
    if (parts.kind == JoinKind::kAsof) {
      ARROW_ASSIGN_OR_RAISE(const element body, member(e, "asof"));
      ARROW_ASSIGN_OR_RAISE(parts.asof, asof(body, in));
    }
    if (has(e, "residual")) {
      ARROW_ASSIGN_OR_RAISE(parts.residual, expr_member(e, "residual"));
      ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(parts.residual, *pair_schema(*in[0]->schema, *in[1]->schema)));
      if (type->id() != arrow::Type::BOOL || parts.kind == JoinKind::kInner || parts.kind == JoinKind::kAsof)
        return malformed("a join with a condition it cannot have");
    }
    parts.nulls_equal = flag(e, "nulls_equal");
    parts.coalesce_keys = flag(e, "coalesce_keys");
    parts.build_left = flag(e, "build_left");
    ARROW_ASSIGN_OR_RAISE(parts.suffix, text(e, "suffix"));
    ARROW_ASSIGN_OR_RAISE(parts.output, list<int>(e, "output", int_of));
    ARROW_ASSIGN_OR_RAISE(parts.names, list<std::string>(e, "names", string_of));
    if (parts.names.size() != parts.output.size()) return malformed("a join with unnamed columns");
    return join_node(in[0], in[1], std::move(parts));
  }

  static arrow::Result<PlanPtr> sort(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto keys, list<SortBy>(e, "by", sort_of));
    ARROW_ASSIGN_OR_RAISE(const auto top, optional_number(e, "top"));
    ARROW_ASSIGN_OR_RAISE(PlanPtr checked, make_sort(in[0], keys));
    return top ? sort_node(in[0], std::move(keys), top) : checked;
  }

  static arrow::Result<PlanPtr> limit(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(const int64_t offset, number(e, "offset"));
    ARROW_ASSIGN_OR_RAISE(const int64_t count, number(e, "count"));
    return make_limit(in[0], offset, count);
  }

  static arrow::Result<PlanPtr> unite(const element&, Inputs in) { return union_node(std::move(in)); }

  static arrow::Result<PlanPtr> explode(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto columns, list<std::string>(e, "columns", string_of));
    return make_explode(in[0], std::move(columns));
  }

  static arrow::Result<PlanPtr> row_index(const element& e, Inputs in) {
    ARROW_ASSIGN_OR_RAISE(auto name, text(e, "name"));
    ARROW_ASSIGN_OR_RAISE(const int64_t offset, number(e, "offset"));
    return make_row_index(in[0], std::move(name), offset, flag(e, "position_only"));
  }

  struct Kind {
    const char* name;
    size_t inputs;  // 0: one or more
    arrow::Result<PlanPtr> (*read)(const element& e, Inputs in);
  };
  static constexpr int kAny = 0;

  arrow::Result<PlanPtr> node(const element& e, const Inputs& nodes) const {
    static constexpr Kind kKinds[] = {{"filter", 1, filter},  {"project", 1, project}, {"aggregate", 1, aggregate},
                                      {"join", 2, join},      {"sort", 1, sort},       {"limit", 1, limit},
                                      {"union", kAny, unite}, {"explode", 1, explode}, {"row_index", 1, row_index},
                                      {"window", 1, window}};
    if (has(e, "scan")) {
      ARROW_ASSIGN_OR_RAISE(const element body, member(e, "scan"));
      return scan(body);
    }
    for (const Kind& k : kKinds) {
      if (!has(e, k.name)) continue;
      ARROW_ASSIGN_OR_RAISE(const element body, member(e, k.name));
      ARROW_ASSIGN_OR_RAISE(const auto places, list<int>(e, "inputs", int_of));
      if (places.empty() || (k.inputs != kAny && places.size() != k.inputs))
        return malformed(std::string(k.name) + " with other inputs than it takes");
      Inputs inputs;
      for (const int at : places) {
        if (static_cast<size_t>(at) >= nodes.size()) return malformed("a node before its input");
        inputs.push_back(nodes[static_cast<size_t>(at)]);
      }
      return k.read(body, std::move(inputs));
    }
    return malformed("a node of unknown kind");
  }
};

}  // namespace

arrow::Result<PlanPtr> deserialize(const std::string& json, const SourceResolver& resolve) {
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(json).get(document); error != simdjson::SUCCESS) return malformed(simdjson::error_message(error));
  ARROW_ASSIGN_OR_RAISE(const int64_t format, number(document, "format"));
  if (format != kPlanFormat) {
    return base::plan_error("the plan has format " + std::to_string(format) + ", this version reads " + std::to_string(kPlanFormat),
                            format > kPlanFormat ? "it was written by a newer version" : "");
  }
  simdjson::dom::array items;
  if (document["nodes"].get(items) != simdjson::SUCCESS) return malformed("no list of nodes");
  const Reader reader{resolve};
  std::vector<PlanPtr> nodes;
  for (const element item : items) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, reader.node(item, nodes));
    if (!flag(item, "ordered", true)) {
      auto unordered = copy_node(*p);
      unordered->ordered = false;
      p = std::move(unordered);
    }
    nodes.push_back(std::move(p));
  }
  if (nodes.empty()) return malformed("no nodes");
  return nodes.back();
}

}  // namespace gristmill::plan
