// gristmill._engine.Frame, continued: reshaping, quality, and selectors. Options come as plain arguments.

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <arrow/type.h>

#include "column/types.h"
#include "gristmill/frame.h"
#include "python_error.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

using Names = std::vector<std::string>;

// not_null, ranges, unique, checks.
using RuleTuple =
    std::tuple<Names, std::vector<std::tuple<std::string, Expr, Expr>>, std::vector<Names>, std::vector<std::pair<std::string, Expr>>>;

Rules rules_from(const RuleTuple& t) {
  Rules out{std::get<0>(t), {}, std::get<2>(t), std::get<3>(t)};
  for (const auto& [column, low, high] : std::get<1>(t)) out.ranges.push_back({column, low, high});
  return out;
}

Expr by_dtype(const std::vector<nb::object>& types) {
  std::vector<std::shared_ptr<arrow::DataType>> out;
  for (const nb::object& t : types) {
    out.push_back(nb::isinstance<nb::str>(t) ? unwrap(column::parse_type(nb::cast<std::string>(t))) : import_type(t));
  }
  return cs::by_dtype(std::move(out));
}

}  // namespace

void bind_reshape(nb::module_& m, nb::class_<Frame>& frame) {
  frame.def("tail", &Frame::tail)
      .def("reverse", &Frame::reverse)
      .def("distinct", [](const Frame& f, Names subset, int keep) { return f.distinct(std::move(subset), static_cast<Keep>(keep)); })
      .def("with_row_index", &Frame::with_row_index)
      .def(
          "sample",
          [](const Frame& f, std::optional<int64_t> n, std::optional<double> fraction, int64_t seed) {
            return f.sample({n, fraction, seed});
          },
          nb::arg().none(), nb::arg().none(), nb::arg())
      .def(
          "pivot",
          [](const Frame& f, std::string on, Names index, Names values, std::string aggregate, std::optional<std::vector<Expr>> on_values) {
            WithoutGil without;
            return f.pivot({std::move(on), std::move(index), std::move(values), std::move(aggregate), std::move(on_values)});
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("unpivot", [](const Frame& f, Names on, Names index, std::string variable,
                         std::string value) { return f.unpivot({std::move(on), std::move(index), std::move(variable), std::move(value)}); })
      .def("value_counts", &Frame::value_counts)
      .def("null_count", &Frame::null_count)
      .def("drop_nulls", &Frame::drop_nulls)
      .def("fill_null", &Frame::fill_null)
      .def("validate", [](const Frame& f, const RuleTuple& rules) { return f.validate(rules_from(rules)); })
      .def("validation_report", [](const Frame& f, const RuleTuple& rules) { return f.validation_report(rules_from(rules)); })
      .def(
          "outliers",
          [](const Frame& f, Names columns, bool z_score, std::optional<double> threshold) {
            return f.outliers(std::move(columns), {z_score ? Outliers::kZScore : Outliers::kIqr, threshold});
          },
          nb::arg(), nb::arg(), nb::arg().none())
      .def("describe",
           [](const Frame& f, std::vector<double> percentiles) {
             return unwrap([&] {
               WithoutGil without;
               return f.describe({}, std::move(percentiles));
             }());
           })
      .def("aggregate_dynamic",
           [](const Frame& f, const std::string& index, const std::array<std::string, 3>& spans, std::vector<Expr> by, bool closed_right,
              bool label_right, std::vector<Expr> aggregates) {
             const auto edge = [](bool right) { return right ? Edge::kRight : Edge::kLeft; };
             return f.group_by_dynamic(index, {spans[0], spans[1], spans[2], std::move(by), edge(closed_right), edge(label_right)})
                 .agg(std::move(aggregates));
           })
      .def("to_parts",
           [](const Frame& f) {
             FrameParts parts = unwrap(f.to_parts());
             return std::make_pair(std::move(parts.plan), std::move(parts.tables));
           })
      .def_static("from_parts",
                  [](std::string plan, std::vector<std::pair<std::string, Table>> tables) {
                    return Frame::from_parts({std::move(plan), std::move(tables)});
                  })
      .def("column_names", [](const Frame& f, const std::vector<Expr>& exprs) { return unwrap(f.column_names(exprs)); });
  m.def("concat", [](std::vector<Frame> frames, int how) { return concat(std::move(frames), static_cast<Concat>(how)); });
  m.def("selector_by_dtype", &by_dtype);
}

}  // namespace gristmill::python
