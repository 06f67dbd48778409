// gristmill._engine.Expr: the C++ expression as it is; names, operators and docs are in gristmill/expr.py.

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/types.h"
#include "expr/aggregates.h"
#include "expr/node.h"
#include "expr/registry.h"
#include "expr/window.h"
#include "gristmill/expr.h"
#include "gristmill/window.h"
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

// (expression, descending, nulls first) each.
using OrderKeys = std::vector<std::tuple<Expr, bool, bool>>;

expr::Over over_from(const std::vector<Expr>& partition, const OrderKeys& order, const WindowFrame* frame) {
  expr::Over out;
  out.partition = nodes(partition);
  for (const auto& [e, descending, nulls_first] : order) out.order.push_back({e.node(), descending, nulls_first});
  if (frame) out.frame = frame->frame();
  return out;
}

}  // namespace

void bind_expr(nb::module_& m) {
  nb::class_<Expr>(m, "Expr")
      .def("alias", [](const Expr& e, const std::string& name) { return e.alias(name); })
      .def("cast",
           [](const Expr& e, nb::handle type, bool lenient) { return lenient ? e.try_cast(type_from(type)) : e.cast(type_from(type)); })
      .def(
          "over",
          [](const Expr& e, const std::vector<Expr>& partition, const OrderKeys& order, const WindowFrame* frame) {
            return Expr(unwrap(expr::over(e.node(), over_from(partition, order, frame))));
          },
          nb::arg("partition"), nb::arg("order"), nb::arg("frame").none())
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
  nb::class_<WindowFrame>(m, "WindowFrame").def("text", [](const WindowFrame& f) { return expr::frame_text(f.frame()); });
  m.def(
      "frame",
      [](int mode, std::optional<Expr> start, std::optional<Expr> end, int exclude) {
        const auto rows = [](const std::optional<Expr>& e) -> std::optional<int64_t> {
          if (!e) return {};
          return static_cast<const arrow::Int64Scalar&>(*e->node()->value).value;
        };
        WindowFrame f = mode == 0   ? rows_between(rows(start), rows(end))
                        : mode == 1 ? range_between(start, end)
                                    : groups_between(rows(start), rows(end));
        return f.exclude(static_cast<WindowFrame::Exclude>(exclude));
      },
      nb::arg("mode"), nb::arg("start").none(), nb::arg("end").none(), nb::arg("exclude"));
  m.def(
      "window",
      [](const std::string& f, const std::vector<Expr>& args, const nb::dict& options, const OrderKeys& order, const WindowFrame* frame) {
        return Expr(expr::window(f, nodes(args), options_from(options), over_from({}, order, frame), nullptr, false));
      },
      nb::arg("function"), nb::arg("args"), nb::arg("options"), nb::arg("order"), nb::arg("frame").none());
  m.def("rolling_by", [](const std::string& f, const Expr& x, const Expr& by, const Expr& distance, int ddof) {
    if (f == "sum") return x.rolling_sum_by(by, distance);
    if (f == "mean") return x.rolling_mean_by(by, distance);
    if (f == "min") return x.rolling_min_by(by, distance);
    if (f == "max") return x.rolling_max_by(by, distance);
    return x.rolling_std_by(by, distance, ddof);
  });
  m.def("rank", [](const Expr& x, const std::string& method, bool descending) { return x.rank(method, descending); });
  m.def("aggregate", [](const std::string& f, const std::vector<Expr>& args, const nb::dict& options) {
    return Expr(expr::aggregate(f, nodes(args), options_from(options)));
  });
}

}  // namespace gristmill::python
