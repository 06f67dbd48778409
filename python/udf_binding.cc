// Functions written in Python as functions of the engine. The Python side (gristmill/udf.py) makes values of arrays and calls
// the user's code; here is the way there and back.
//
// A worker takes the GIL without holding any lock of the engine. The user's exception stays a Python object, kept until the
// query's error is raised on the caller's thread.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/array.h>
#include <arrow/c/bridge.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/user_function.h"
#include "gristmill/expr.h"
#include "python_error.h"

namespace gristmill::python {
namespace {

class PythonFunction final : public expr::UserFunction {
 public:
  PythonFunction(std::string name, std::shared_ptr<arrow::DataType> returns, nb::object run, bool skips_nulls, bool deterministic,
                 int num_args, int64_t batch_rows)
      : UserFunction(std::move(name), std::move(returns)),
        run_(run.release()),
        skips_nulls_(skips_nulls),
        deterministic_(deterministic),
        num_args_(num_args),
        batch_rows_(batch_rows) {}
  PythonFunction(const PythonFunction&) = delete;
  PythonFunction& operator=(const PythonFunction&) = delete;
  ~PythonFunction() override {
    if (!Py_IsInitialized()) return;  // the interpreter took the object with it
    nb::gil_scoped_acquire gil;
    run_.dec_ref();
  }

  bool skips_nulls() const override { return skips_nulls_; }
  bool deterministic() const override { return deterministic_; }
  int num_args() const override { return num_args_; }
  int64_t batch_rows() const override { return batch_rows_; }

  arrow::Result<std::shared_ptr<arrow::Array>> call(const std::vector<std::shared_ptr<arrow::Array>>& args, int64_t rows) const override {
    nb::gil_scoped_acquire gil;
    try {
      nb::list arrays;
      for (const auto& a : args) arrays.append(export_array(*a));
      // (array, None, None), or (None, failed row, exception).
      nb::tuple out = nb::cast<nb::tuple>(run_(arrays, rows));
      if (!out[2].is_none()) return failed(nb::borrow(out[2]), nb::cast<int64_t>(out[1]));
      return import_array(out[0]);
    } catch (nb::python_error& e) {
      return failed(nb::borrow(e.value()), 0);
    }
  }

 private:
  arrow::Status failed(nb::object exception, int64_t row) const {
    std::string text;
    try {
      text = nb::cast<std::string>(nb::str(exception));
    } catch (nb::python_error&) {
      text = "an exception without text";
    }
    const bool stops = PyObject_IsInstance(exception.ptr(), PyExc_Exception) == 0;  // KeyboardInterrupt, SystemExit: no row's fault
    const std::string mark = keep_failure(std::move(exception), name());
    if (!stops) return base::data_error("user function \"" + name() + "\" failed: " + text, mark, row);
    const arrow::Status cancelled = base::cancelled_error("user function \"" + name() + "\" was stopped");
    base::ErrorDetail detail = *base::error_detail(cancelled);
    detail.value = mark;
    return base::with_detail(cancelled, std::move(detail));
  }

  nb::handle run_;
  bool skips_nulls_, deterministic_;
  int num_args_;
  int64_t batch_rows_;
};

std::shared_ptr<arrow::DataType> type_from(nb::handle type) {
  if (nb::isinstance<nb::str>(type)) return unwrap(column::parse_type(nb::cast<std::string>(type)));
  return import_type(type);
}

// The function behind gristmill.udf's objects.
struct Udf {
  expr::UserFunctionPtr function;
};

}  // namespace

void bind_udf(nb::module_& m) {
  nb::class_<Udf>(m, "Udf")
      .def("call",
           [](const Udf& u, const std::vector<Expr>& args) {
             std::vector<expr::NodePtr> nodes;
             for (const Expr& e : args) nodes.push_back(e.node());
             return Expr(expr::user_call(u.function, std::move(nodes)));
           })
      .def("register", [](const Udf& u) { check(expr::register_user_function(u.function)); });
  m.def("udf", [](const std::string& name, nb::handle returns, nb::object run, bool skips_nulls, bool deterministic, int num_args,
                  int64_t batch_rows) {
    return Udf{
        std::make_shared<PythonFunction>(name, type_from(returns), std::move(run), skips_nulls, deterministic, num_args, batch_rows)};
  });
}

}  // namespace gristmill::python
