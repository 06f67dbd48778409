// gristmill._engine.Session and sql(): statements with parameters and named tables.

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "gristmill/session.h"
#include "options_from.h"
#include "python_error.h"
#include "sql/over_streams.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

// Frames and streams by name.
using Tables = std::vector<std::pair<std::string, Frame>>;
using Outcomes = std::tuple<std::string, std::optional<Frame>, int64_t>;

// A list of (name, one row as capsules); the name is empty for values by position.
SqlParameters parameters_from(const nb::list& given) {
  SqlParameters out;
  for (nb::handle item : given) {
    nb::tuple pair = nb::borrow<nb::tuple>(item);
    const std::string name = nb::cast<std::string>(pair[0]);
    if (name.empty()) {
      out.positional.push_back(import_scalar(pair[1]));
    } else {
      out.named.emplace_back(name, import_scalar(pair[1]));
    }
  }
  return out;
}

}  // namespace

void bind_session(nb::module_& m) {
  m.def("sql", [](const std::string& text, const Tables& tables, const nb::list& parameters) {
    const SqlParameters values = parameters_from(parameters);
    return without_gil([&] { return sql(text, tables, values); });
  });
  // What a query sees as a table; only sql_stream() can read it.
  m.def("stream_as_table", [](const std::string& name, const Stream& stream) { return Frame(sqltext::stream_table(name, stream)); });
  m.def("sql_stream", [](const std::string& text, const Tables& tables, const nb::list& parameters) {
    const SqlInput input{tables, parameters_from(parameters), {}};
    return without_gil([&] { return Session().stream(text, input); });
  });
  nb::class_<Session>(m, "Session")
      .def(nb::init<>())
      .def("sql",
           [](Session& s, const std::string& text, const Tables& tables, const Tables& variables, const nb::list& parameters) {
             const SqlInput input{tables, parameters_from(parameters), variables};
             return without_gil([&] { return s.sql(text, input); });
           })
      .def("stream",
           [](Session& s, const std::string& text, const Tables& tables, const Tables& variables, const nb::list& parameters) {
             const SqlInput input{tables, parameters_from(parameters), variables};
             return without_gil([&] { return s.stream(text, input); });
           })
      .def("execute",
           [](Session& s, const std::string& text, const Tables& tables, const Tables& variables, const nb::list& parameters,
              const Cancellation& cancel) -> Outcomes {
             const SqlInput input{tables, parameters_from(parameters), variables};
             Outcome last = unwrap(without_gil([&] { return s.execute(text, input, cancel); }));
             return {last.command, last.rows, last.changed};
           })
      .def("set_table", [](Session& s, const std::string& name, const Frame& frame) { check(s.set_table(name, frame)); })
      .def("set_options", [](Session& s, const nb::dict& options) { s.set_options(options_from(options)); })
      .def("num_workers", [](const Session& s) { return s.options().num_workers; })
      .def("collect", [](const Session& s, const Frame& frame,
                         const Cancellation& cancel) { return unwrap(without_gil([&] { return frame.collect(s.options(), cancel); })); })
      .def("relations", [](const Session& s) {
        std::vector<std::tuple<std::string, bool, nb::object>> out;
        for (const auto& r : unwrap(s.relations())) out.emplace_back(r.name, r.view, export_schema(*r.schema));
        return out;
      });
}

}  // namespace gristmill::python
