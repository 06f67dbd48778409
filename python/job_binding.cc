// Record jobs: a job file or its text, functions of the user's beside it.
//
// The Python side (gristmill/job.py) turns functions of rows and of batches into one form: a batch in, and out of it (batch, rows that it
// is or None, [(row, text)]), or an exception.

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/job.h"
#include "python_error.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

// A Python object that threads of the engine may let go of.
std::shared_ptr<nb::object> shared(nb::object object) {
  return {new nb::object(std::move(object)), [](nb::object* o) {
            if (!Py_IsInitialized()) return;
            nb::gil_scoped_acquire gil;
            delete o;
          }};
}

arrow::Result<BatchOutcome> call(const nb::object& function, const arrow::RecordBatch& rows) {
  nb::gil_scoped_acquire gil;
  try {
    const nb::tuple out = nb::cast<nb::tuple>(function(export_batch(rows)));
    BatchOutcome made;
    ARROW_ASSIGN_OR_RAISE(made.rows, arrow::RecordBatch::FromStructArray(import_array(out[0])));
    if (!out[1].is_none()) made.places = nb::cast<std::vector<int64_t>>(out[1]);
    made.bad = nb::cast<std::vector<std::pair<int64_t, std::string>>>(out[2]);
    return made;
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_Exception)) return keep_exception(e);  // KeyboardInterrupt, SystemExit: no row's fault
    try {
      return base::data_error(nb::cast<std::string>(nb::str(e.value())));
    } catch (nb::python_error&) {
      return base::data_error("an exception without text");
    }
  } catch (nb::cast_error&) {
    return base::plan_error("a function of a job gave something else than was asked for");
  }
}

struct Job {
  Pipeline pipeline;
};

}  // namespace

void bind_job(nb::module_& m) {
  nb::class_<JobResult>(m, "JobResult")
      .def_ro("stopped", &JobResult::stopped)
      .def_ro("read", &JobResult::read)
      .def_ro("written", &JobResult::written)
      .def_ro("filtered", &JobResult::filtered)
      .def_ro("bad", &JobResult::bad)
      .def_ro("seconds", &JobResult::seconds)
      .def_ro("text", &JobResult::text)
      .def_ro("json", &JobResult::json);
  nb::class_<Job>(m, "Job")
      .def_static("from_file", [](const std::string& file) { return Job{unwrap(Pipeline::from_file(file))}; })
      .def_static("from_yaml",
                  [](const std::string& yaml, const std::string& name) { return Job{unwrap(Pipeline::from_yaml(yaml, name))}; })
      .def("define",
           [](Job& job, const std::string& name, nb::object function, const ColumnTypes& gives) {
             const auto kept = shared(std::move(function));
             job.pipeline.define_batches(
                 name, [kept](const std::shared_ptr<arrow::RecordBatch>& rows) { return call(*kept, *rows); }, gives);
           })
      .def("check",
           [](const Job& job) {
             auto checked = [&] {
               WithoutGil without;
               return job.pipeline.check();
             }();
             nb::list out;
             for (const auto& [step, schema] : unwrap(std::move(checked))) out.append(nb::make_tuple(step, export_schema(*schema)));
             return out;
           })
      .def("run", [](const Job& job, int workers, int64_t batch_rows, int64_t memory_limit, const Cancellation& cancel) {
        JobOptions options;
        options.workers = workers;
        options.batch_rows = batch_rows;
        options.memory_limit = memory_limit;
        options.cancel = cancel;
        auto result = [&] {
          WithoutGil without;
          return job.pipeline.run(std::move(options));
        }();
        return unwrap(std::move(result));
      });
  m.def("job_schema", &job_schema);
}

}  // namespace gristmill::python
