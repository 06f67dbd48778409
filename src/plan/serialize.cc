// Plans as versioned JSON: a list of nodes, inputs before their users, the root last.
//
//   {"format":1,"nodes":[
//   {"scan":{"source":"parquet","spec":{...},"columns":["a","b"]}},
//   {"filter":{"predicate":{...}},"inputs":[0]}
//   ]}
//
// Shared subtrees are written once. Members stand in one fixed order and defaults are left out, so equal plans give
// equal bytes. deserialize.cc reads it.

#include <unordered_map>

#include <arrow/type.h>

#include "expr/json.h"
#include "plan/expressions.h"
#include "plan/logical.h"
#include "plan/shared_subplans.h"

namespace gristmill::plan {
namespace {

using expr::json_string;
using expr::NodePtr;

// Writes `"name":value` members between braces.
class Members {
 public:
  void raw(const char* name, const std::string& json) {
    if (out_.size() > 1) out_ += ',';
    out_.append(json_string(name)).append(":").append(json);
  }
  void text(const char* name, const std::string& value) { raw(name, json_string(value)); }
  void number(const char* name, int64_t value) { raw(name, std::to_string(value)); }
  void flag(const char* name, bool value) {
    if (value) raw(name, "true");
  }
  std::string done() const { return out_ + "}"; }

 private:
  std::string out_ = "{";
};

template <typename T, typename F>
std::string array(const std::vector<T>& items, F json_of) {
  std::string out = "[";
  for (const T& item : items) {
    if (out.size() > 1) out += ',';
    out += json_of(item);
  }
  return out += ']';
}

std::string exprs_json(const std::vector<NodePtr>& exprs) {
  return array(exprs, [](const NodePtr& e) { return expr::to_json(*e); });
}

std::string named_json(const std::vector<NamedExpr>& exprs) {
  return array(exprs, [](const NamedExpr& e) {
    Members m;
    m.text("name", e.name);
    m.raw("expr", expr::to_json(*e.expr));
    return m.done();
  });
}

std::string names_json(const std::vector<std::string>& names) {
  return array(names, [](const std::string& n) { return json_string(n); });
}

void write_scan(const Plan& p, Members& m) {
  m.text("source", p.source->kind());
  m.raw("spec", p.source->to_json());
  m.raw("columns", names_json(p.schema->field_names()));
  if (p.predicate) m.raw("where", expr::to_json(*p.predicate));
  if (p.scan_limit) m.number("limit", *p.scan_limit);
}

std::string asof_json(const AsofMatch& a) {
  static constexpr const char* kStrategies[] = {"backward", "forward", "nearest"};
  Members m;
  m.raw("left_on", expr::to_json(*a.left_on));
  m.raw("right_on", expr::to_json(*a.right_on));
  m.text("strategy", kStrategies[static_cast<int>(a.strategy)]);
  m.flag("not_exact", !a.allow_exact);
  if (a.tolerance) m.raw("tolerance", expr::to_json(*a.tolerance));
  return m.done();
}

void write_join(const Plan& p, Members& m) {
  static constexpr const char* kKinds[] = {"inner", "left", "semi", "anti", "right", "full", "asof"};
  m.text("kind", kKinds[static_cast<int>(p.join)]);
  m.raw("left_keys", exprs_json(p.left_keys));
  m.raw("right_keys", exprs_json(p.right_keys));
  m.flag("nulls_equal", p.nulls_equal);
  if (p.residual) m.raw("residual", expr::to_json(*p.residual));
  if (p.join == JoinKind::kAsof) m.raw("asof", asof_json(p.asof));
  m.flag("coalesce_keys", p.coalesce_keys);
  m.text("suffix", p.suffix);
  m.raw("output", array(p.join_output, [](int c) { return std::to_string(c); }));
  m.raw("names", names_json(p.schema->field_names()));
  m.flag("build_left", p.build_left);
}

void write_sort(const Plan& p, Members& m) {
  m.raw("by", array(p.sort, [](const SortBy& k) {
          Members key;
          key.raw("expr", expr::to_json(*k.expr));
          key.flag("descending", k.descending);
          key.flag("nulls_first", k.nulls_first);
          return key.done();
        }));
  if (p.top) m.number("top", *p.top);
}

const char* write_node(const Plan& p, Members& m) {
  switch (p.kind) {
    case PlanKind::kScan: write_scan(p, m); return "scan";
    case PlanKind::kFilter: m.raw("predicate", expr::to_json(*p.predicate)); return "filter";
    case PlanKind::kProject: m.raw("exprs", named_json(p.exprs)); return "project";
    case PlanKind::kAggregate:
      m.raw("keys", named_json(p.exprs));
      m.raw("aggregates", named_json(p.aggregates));
      return "aggregate";
    case PlanKind::kJoin: write_join(p, m); return "join";
    case PlanKind::kSort: write_sort(p, m); return "sort";
    case PlanKind::kLimit:
      m.number("offset", p.offset);
      m.number("count", p.count);
      return "limit";
    case PlanKind::kWindow: m.raw("functions", named_json(p.aggregates)); return "window";
    case PlanKind::kUnion: return "union";
    case PlanKind::kExplode: m.raw("columns", names_json(p.explode)); return "explode";
    case PlanKind::kRowIndex:
      m.text("name", p.index_name);
      m.number("offset", p.offset);
      m.flag("position_only", p.position_only);
      return "row_index";
  }
  return "";
}

class Writer {
 public:
  int add(const Plan& p) {
    if (const auto it = places_.find(&p); it != places_.end()) return it->second;
    std::vector<int> inputs;
    for (const PlanPtr& in : p.inputs) inputs.push_back(add(*in));
    Members body, node;
    const char* kind = write_node(p, body);
    node.raw(kind, body.done());
    if (!inputs.empty()) node.raw("inputs", array(inputs, [](int i) { return std::to_string(i); }));
    if (!p.ordered) node.raw("ordered", "false");
    const int place = static_cast<int>(places_.size());
    out_.append(place ? ",\n" : "\n").append(node.done());
    places_.emplace(&p, place);
    return place;
  }
  std::string done() const { return "{\"format\":" + std::to_string(kPlanFormat) + ",\"nodes\":[" + out_ + "\n]}\n"; }

 private:
  std::unordered_map<const Plan*, int> places_;
  std::string out_;
};

}  // namespace

std::string node_key(const Plan& plan) {
  Members body;
  const char* kind = write_node(plan, body);
  return kind + body.done();
}

std::string serialize(const Plan& plan) {
  Writer writer;
  writer.add(plan);
  return writer.done();
}

}  // namespace gristmill::plan
