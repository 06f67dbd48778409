// gristmill._engine.Expr: the C++ expression as it is; names, operators and docs are in gristmill/expr.py.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/types.h"
#include "expr/aggregates.h"
#include "expr/node.h"
#include "expr/registry.h"
#include "gristmill/expr.h"
#include "python_error.h"

namespace gristmill::python {
namespace {

std::vector<expr::NodePtr> nodes(const std::vector<Expr>& args) {
  std::vector<expr::NodePtr> out;
  out.reserve(args.size());
  for (const auto& a : args) out.push_back(a.node());
  return out;
}

std::vector<expr::Option> options_from(const nb::dict& options) {
  std::vector<expr::Option> out;
  for (auto [key, value] : options) {
    const std::string name = nb::cast<std::string>(key);
    if (nb::isinstance<nb::bool_>(value)) {
      out.push_back({name, std::make_shared<arrow::BooleanScalar>(nb::cast<bool>(value))});
    } else if (nb::isinstance<nb::int_>(value)) {
      out.push_back({name, std::make_shared<arrow::Int64Scalar>(nb::cast<int64_t>(value))});
    } else if (nb::isinstance<nb::float_>(value)) {
      out.push_back({name, std::make_shared<arrow::DoubleScalar>(nb::cast<double>(value))});
    } else {
      out.push_back({name, std::make_shared<arrow::StringScalar>(nb::cast<std::string>(value))});
    }
  }
  return out;
}

std::shared_ptr<arrow::DataType> type_from(nb::handle type) {
  if (nb::isinstance<nb::str>(type)) return unwrap(column::parse_type(nb::cast<std::string>(type)));
  return import_type(type);
}

}  // namespace

void bind_expr(nb::module_& m) {
  nb::class_<Expr>(m, "Expr")
      .def("alias", [](const Expr& e, const std::string& name) { return e.alias(name); })
      .def("cast",
           [](const Expr& e, nb::handle type, bool lenient) { return lenient ? e.try_cast(type_from(type)) : e.cast(type_from(type)); })
      .def("filter", [](const Expr& e, const Expr& predicate) { return e.filter(predicate); })
      .def("distinct", [](const Expr& e) { return e.distinct(); })
      .def("order_by", [](const Expr& e, std::vector<Expr> keys,
                          std::vector<bool> descending) { return e.order_by(std::move(keys), std::move(descending)); })
      .def("text", [](const Expr& e) { return expr::text(*e.node()); })
      .def("output_name", [](const Expr& e) { return expr::output_name(*e.node()); });
  m.def("col", [](const std::string& name) { return Expr(expr::column(name)); });
  m.def("lit_bool", [](bool v) { return Expr(expr::literal(v)); });
  m.def("lit_int", [](int64_t v) { return Expr(expr::literal(v)); });
  m.def("lit_float", [](double v) { return Expr(expr::literal(v)); });
  m.def("lit_text", [](const std::string& v) { return Expr(expr::literal(std::string_view(v))); });
  m.def("lit_null", [] { return Expr(expr::null_literal()); });
  m.def("lit_arrow", [](nb::handle capsules, bool untyped) { return Expr(expr::literal(import_scalar(capsules), untyped)); });
  m.def("call", [](const std::string& f, const std::vector<Expr>& args, const nb::dict& options) {
    return Expr(expr::call(f, nodes(args), options_from(options)));
  });
  m.def("functions", [] {
    nb::list out;
    for (const expr::Function* f : expr::all_functions()) {
      nb::dict one;
      one["name"] = f->name;
      one["family"] = f->family;
      one["summary"] = f->summary;
      one["example"] = f->example;
      out.append(one);
    }
    return out;
  });
  m.def("aggregates", [] {
    nb::list out;
    for (const expr::AggregateInfo& a : expr::all_aggregates()) {
      nb::dict one;
      one["name"] = a.name;
      one["family"] = "aggregate";
      one["summary"] = a.summary;
      one["example"] = a.example;
      out.append(one);
    }
    return out;
  });
  m.def("aggregate", [](const std::string& f, const std::vector<Expr>& args, const nb::dict& options) {
    return Expr(expr::aggregate(f, nodes(args), options_from(options)));
  });
}

}  // namespace gristmill::python
