// Selectors are calls called "cs.something" over literals and other selectors; no function of that name exists, so one that
// was not expanded is refused like any unknown function.
//
// "name.suffix" and "name.prefix" are settled here too: only now are the names known.

#include "frame/selectors.h"

#include <algorithm>
#include <regex>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "gristmill/selectors.h"
#include "plan/expressions.h"

namespace gristmill {
namespace {

using expr::NodeKind;
using expr::NodePtr;
using Picked = std::vector<bool>;  // by field

bool is_selector(const expr::Node& n) { return n.kind == NodeKind::kCall && n.name.starts_with("cs."); }
bool is_renaming(const expr::Node& n) { return n.kind == NodeKind::kCall && (n.name == "name.suffix" || n.name == "name.prefix"); }

std::string text_of(const expr::Node& literal) {
  return literal.value && literal.value->is_valid ? literal.value->ToString() : std::string();
}

bool in_class(const std::string& name, const arrow::DataType& border) {
  const auto type = column::canonical_type(border.GetSharedPtr());
  const auto id = type->id();
  if (name == "cs.numeric") return column::is_numeric(*type);
  if (name == "cs.integer") return column::is_integer(*type);
  if (name == "cs.float") return column::is_float(*type);
  if (name == "cs.string") return column::is_text(*type);
  if (name == "cs.boolean") return id == arrow::Type::BOOL;
  if (name == "cs.temporal") return arrow::is_temporal(id) || id == arrow::Type::DURATION;
  return arrow::is_nested(id);  // cs.nested
}

bool name_fits(const std::string& how, const std::string& name, const std::string& part) {
  if (how == "cs.starts_with") return name.starts_with(part);
  if (how == "cs.ends_with") return name.ends_with(part);
  return name.find(part) != std::string::npos;  // cs.contains
}

bool same_type(const arrow::DataType& border, const arrow::DataType& wanted) {
  return border.Equals(wanted) || column::canonical_type(border.GetSharedPtr())->Equals(*column::canonical_type(wanted.GetSharedPtr()));
}

arrow::Result<Picked> pick(const expr::Node& n, const arrow::Schema& schema);

arrow::Result<Picked> combine(const expr::Node& n, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(Picked a, pick(*n.args[0], schema));
  if (n.name == "cs.not") {
    a.flip();
    return a;
  }
  ARROW_ASSIGN_OR_RAISE(const Picked b, pick(*n.args[1], schema));
  for (size_t i = 0; i < a.size(); ++i) a[i] = n.name == "cs.or" ? a[i] || b[i] : n.name == "cs.and" ? a[i] && b[i] : a[i] && !b[i];
  return a;
}

arrow::Result<Picked> pick_by_name(const expr::Node& n, const arrow::Schema& schema, bool must_be_there) {
  Picked out(static_cast<size_t>(schema.num_fields()));
  for (const NodePtr& a : n.args) {
    const std::string name = text_of(*a);
    if (must_be_there) ARROW_RETURN_NOT_OK(plan::find_column(schema, name).status());
    for (const int i : schema.GetAllFieldIndices(name)) out[static_cast<size_t>(i)] = true;
  }
  return out;
}

arrow::Result<Picked> pick_matching(const std::string& pattern, const arrow::Schema& schema) {
  Picked out;
  try {
    const std::regex regex(pattern);
    for (const std::string& name : schema.field_names()) out.push_back(std::regex_search(name, regex));
  } catch (const std::regex_error& e) {
    return base::plan_error("not a regular expression for column names: " + pattern, e.what());
  }
  return out;
}

arrow::Result<Picked> pick(const expr::Node& n, const arrow::Schema& schema) {
  if (!is_selector(n)) return base::plan_error("set operations on selectors take selectors, got " + expr::text(n));
  static constexpr std::string_view kSets[] = {"cs.not", "cs.or", "cs.and", "cs.minus"};
  if (std::find(std::begin(kSets), std::end(kSets), n.name) != std::end(kSets)) return combine(n, schema);
  if (n.name == "cs.by_name") return pick_by_name(n, schema, true);
  if (n.name == "cs.matches") return pick_matching(text_of(*n.args[0]), schema);
  Picked out(static_cast<size_t>(schema.num_fields()));
  for (size_t i = 0; i < out.size(); ++i) {
    const arrow::Field& f = *schema.field(static_cast<int>(i));
    if (n.name == "cs.all") {
      out[i] = true;
    } else if (n.name == "cs.first") {
      out[i] = i == 0;
    } else if (n.name == "cs.last") {
      out[i] = i + 1 == out.size();
    } else if (n.name == "cs.by_dtype") {
      out[i] = std::any_of(n.args.begin(), n.args.end(), [&](const NodePtr& a) { return same_type(*f.type(), *a->value->type); });
    } else if (!n.args.empty()) {
      out[i] = name_fits(n.name, f.name(), text_of(*n.args[0]));
    } else {
      out[i] = in_class(n.name, *f.type());
    }
  }
  return out;
}

arrow::Status find_selectors(const NodePtr& n, std::vector<NodePtr>& found) {
  if (is_selector(*n)) {
    found.push_back(n);
    return arrow::Status::OK();
  }
  for (const NodePtr& a : n->args) ARROW_RETURN_NOT_OK(find_selectors(a, found));
  return n->filter ? find_selectors(n->filter, found) : arrow::Status::OK();
}

// `e` with selector k replaced by column names[k].
NodePtr replaced(const NodePtr& e, const std::vector<NodePtr>& selectors, const std::vector<std::string>& names) {
  for (size_t k = 0; k < selectors.size(); ++k) {
    if (selectors[k] == e) return expr::column(names[k]);
  }
  auto copy = std::make_shared<expr::Node>(*e);
  for (NodePtr& a : copy->args) a = replaced(a, selectors, names);
  if (copy->filter) copy->filter = replaced(copy->filter, selectors, names);
  return copy;
}

// "name.suffix"(x, "_y") at the top: x under its own name with the suffix.
NodePtr renamed(const NodePtr& e) {
  if (!is_renaming(*e)) return e;
  const NodePtr inner = renamed(e->args[0]);
  const std::string name = expr::output_name(*inner), part = text_of(*e->args[1]);
  return expr::alias(inner, e->name == "name.suffix" ? name + part : part + name);
}

arrow::Status expand_one(const NodePtr& e, const arrow::Schema& schema, std::vector<NodePtr>& out) {
  std::vector<NodePtr> selectors;
  ARROW_RETURN_NOT_OK(find_selectors(e, selectors));
  if (selectors.empty()) {
    out.push_back(renamed(e));
    return arrow::Status::OK();
  }
  std::vector<std::vector<std::string>> columns;
  for (const NodePtr& s : selectors) {
    ARROW_ASSIGN_OR_RAISE(const Picked picked, pick(*s, schema));
    columns.emplace_back();
    for (size_t i = 0; i < picked.size(); ++i) {
      if (picked[i]) columns.back().push_back(schema.field(static_cast<int>(i))->name());
    }
    if (columns.back().size() != columns[0].size()) {
      return base::plan_error("the selectors in one expression pick " + std::to_string(columns[0].size()) + " and " +
                              std::to_string(columns.back().size()) + " columns");
    }
  }
  for (size_t i = 0; i < columns[0].size(); ++i) {
    std::vector<std::string> names;
    for (const auto& c : columns) names.push_back(c[i]);
    out.push_back(renamed(replaced(e, selectors, names)));
  }
  return arrow::Status::OK();
}

Selector selector(const char* name, std::vector<NodePtr> args = {}) { return Selector(expr::call(name, std::move(args))); }

std::vector<NodePtr> texts(const std::vector<std::string>& values) {
  std::vector<NodePtr> out;
  for (const std::string& v : values) out.push_back(expr::literal(std::string_view(v)));
  return out;
}

}  // namespace

namespace frame {

arrow::Result<std::vector<NodePtr>> expand(const std::vector<Expr>& exprs, const arrow::Schema& schema) {
  std::vector<NodePtr> out;
  for (const Expr& e : exprs) ARROW_RETURN_NOT_OK(expand_one(e.node(), schema, out));
  return out;
}

}  // namespace frame

Selector operator|(const Selector& a, const Selector& b) { return selector("cs.or", {a.node(), b.node()}); }
Selector operator&(const Selector& a, const Selector& b) { return selector("cs.and", {a.node(), b.node()}); }
Selector operator-(const Selector& a, const Selector& b) { return selector("cs.minus", {a.node(), b.node()}); }
Selector operator~(const Selector& a) { return selector("cs.not", {a.node()}); }

Selector all() { return selector("cs.all"); }
Selector exclude(std::vector<std::string> names) { return all() - cs::by_name(std::move(names)); }

namespace cs {
Selector by_name(std::vector<std::string> names) { return selector("cs.by_name", texts(names)); }
Selector by_dtype(std::vector<std::shared_ptr<arrow::DataType>> types) {
  std::vector<NodePtr> nulls;
  for (const auto& t : types) nulls.push_back(expr::literal(arrow::MakeNullScalar(t), false));
  return selector("cs.by_dtype", std::move(nulls));
}
Selector starts_with(std::string prefix) { return selector("cs.starts_with", texts({std::move(prefix)})); }
Selector ends_with(std::string suffix) { return selector("cs.ends_with", texts({std::move(suffix)})); }
Selector contains(std::string part) { return selector("cs.contains", texts({std::move(part)})); }
Selector matches(std::string pattern) { return selector("cs.matches", texts({std::move(pattern)})); }
Selector numeric() { return selector("cs.numeric"); }
Selector integers() { return selector("cs.integer"); }
Selector floats() { return selector("cs.float"); }
Selector text() { return selector("cs.string"); }
Selector booleans() { return selector("cs.boolean"); }
Selector integer() { return integers(); }
Selector float_() { return floats(); }
Selector string() { return text(); }
Selector boolean() { return booleans(); }
Selector temporal() { return selector("cs.temporal"); }
Selector nested() { return selector("cs.nested"); }
Selector first() { return selector("cs.first"); }
Selector last() { return selector("cs.last"); }
}  // namespace cs

}  // namespace gristmill
