// Users' operators with state and timers by key, written in Python: what process_keyed() of stream_time.h calls. The GIL is taken for each
// call; what the user's code raises is raised as it is where the run ends.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/stream_time.h"
#include "python_error.h"
#include "user_call.h"

namespace gristmill::python {
namespace {

// (schema, array) capsules, or None.
RecordBatchPtr batch_of(nb::handle made) {
  if (made.is_none()) return nullptr;
  nb::tuple pair = nb::borrow<nb::tuple>(made);
  auto* schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(pair[0].ptr(), "arrow_schema"));
  auto* array = static_cast<ArrowArray*>(PyCapsule_GetPointer(pair[1].ptr(), "arrow_array"));
  if (schema == nullptr || array == nullptr) throw nb::python_error();
  return unwrap(arrow::ImportRecordBatch(array, schema));
}

class PythonKeyed final : public KeyedOperator {
 public:
  PythonKeyed(std::string name, std::shared_ptr<arrow::Schema> gives, nb::object process, nb::object on_timer)
      : name_(std::move(name)), gives_(std::move(gives)), process_(std::move(process)), on_timer_(std::move(on_timer)) {}
  std::string name() const override { return name_; }
  arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>&) const override { return gives_; }

  arrow::Result<RecordBatchPtr> process(RecordBatchPtr rows, KeyContext& context) override {
    nb::gil_scoped_acquire gil;
    try {
      return batch_of(nb::object(process_.get()(export_batch(*rows), nb::cast(&context, nb::rv_policy::reference))));
    } catch (nb::python_error& e) {
      return failed_call(e, name_);
    }
  }
  arrow::Result<RecordBatchPtr> on_timer(KeyContext& context) override {
    nb::gil_scoped_acquire gil;
    try {
      return batch_of(nb::object(on_timer_.get()(nb::cast(&context, nb::rv_policy::reference))));
    } catch (nb::python_error& e) {
      return failed_call(e, name_);
    }
  }

 private:
  const std::string name_;
  const std::shared_ptr<arrow::Schema> gives_;
  const HeldObject process_, on_timer_;
};

// `make` gives the two calls of a run.
Stream process_keyed_of(const Stream& stream, std::vector<std::string> keys, const std::string& name, nb::handle capsule, nb::object make,
                        const std::string& ttl) {
  auto* c_schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_schema"));
  if (c_schema == nullptr) throw nb::python_error();
  const std::shared_ptr<arrow::Schema> gives = unwrap(arrow::ImportSchema(c_schema));
  const auto kept = std::make_shared<HeldObject>(std::move(make));
  const auto again = [kept, name, gives]() -> arrow::Result<std::shared_ptr<KeyedOperator>> {
    nb::gil_scoped_acquire gil;
    try {
      nb::tuple calls = nb::borrow<nb::tuple>(nb::object(kept->get()()));
      return std::make_shared<PythonKeyed>(name, gives, nb::borrow(calls[0]), nb::borrow(calls[1]));
    } catch (nb::python_error& e) {
      return failed_call(e, name);
    }
  };
  return process_keyed(stream, std::move(keys), again, ttl);
}

}  // namespace

void bind_stream_keyed(nb::module_& m) {
  nb::class_<KeyContext>(m, "KeyContext")
      .def("key", [](const KeyContext& c) { return export_batch(*c.key()); })
      .def("time", &KeyContext::time)
      .def("state", [](const KeyContext& c) { return nb::bytes(c.state().data(), c.state().size()); })
      .def("set_state", [](KeyContext& c, const nb::bytes& state) { c.set_state(std::string(state.c_str(), state.size())); })
      .def("set_timer", &KeyContext::set_timer)
      .def("delete_timer", &KeyContext::delete_timer);
  m.def("stream_process_keyed", &process_keyed_of);
}

}  // namespace gristmill::python
