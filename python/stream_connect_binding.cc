// What streams are connected to, piece by piece: a topic read batch by batch, sinks driven epoch by epoch, folders of checkpoints.
//
// Options come as keyword dictionaries made by gristmill/stream/connect.py, which has their types and defaults.

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/status.h"
#include "column/batch.h"
#include "python_error.h"
#include "stream/checkpoint_store.h"
#include "stream/connect_options.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

namespace gs = gristmill::stream;

template <typename T>
void take(const nb::dict& d, const char* name, T& out) {
  if (d.contains(name)) out = nb::cast<T>(d[name]);
}

AvroFraming framing_of(const nb::dict& d) {
  std::string name = "none";
  take(d, "avro_framing", name);
  if (name == "none") return AvroFraming::kNone;
  if (name == "registry") return AvroFraming::kRegistry;
  if (name == "single_object") return AvroFraming::kSingleObject;
  raise(base::plan_error("unknown avro_framing \"" + name + "\"", base::suggest_name(name, {"none", "registry", "single_object"})));
}

KafkaOptions reading(const nb::dict& d) {
  KafkaOptions o;
  take(d, "servers", o.servers);
  take(d, "properties", o.properties);
  take(d, "group", o.group);
  take(d, "balance", o.balance);
  take(d, "start", o.start);
  take(d, "until_end", o.until_end);
  take(d, "format", o.format);
  take(d, "schema", o.schema);
  take(d, "extra_fields", o.extra_fields);
  take(d, "try_parse_dates", o.try_parse_dates);
  take(d, "avro_schema", o.avro_schema);
  o.avro_framing = framing_of(d);
  take(d, "metadata", o.metadata);
  take(d, "text_keys", o.text_keys);
  take(d, "dead_letters", o.dead_letters);
  std::string on_error = "fail";
  take(d, "on_error", on_error);
  if (on_error != "fail" && on_error != "skip" && on_error != "dead_letter") {
    raise(base::plan_error("unknown on_error \"" + on_error + "\"", base::suggest_name(on_error, {"fail", "skip", "dead_letter"})));
  }
  o.on_error = on_error == "fail" ? OnBadMessage::kFail : on_error == "skip" ? OnBadMessage::kSkip : OnBadMessage::kDeadLetter;
  return o;
}

KafkaWriteOptions writing(const nb::dict& d) {
  KafkaWriteOptions o;
  take(d, "servers", o.servers);
  take(d, "properties", o.properties);
  take(d, "exactly_once", o.exactly_once);
  take(d, "transactional_id", o.transactional_id);
  take(d, "format", o.format);
  take(d, "omit_nulls", o.omit_nulls);
  take(d, "avro_schema", o.avro_schema);
  o.avro_framing = framing_of(d);
  take(d, "registry_id", o.registry_id);
  take(d, "ipc_rows", o.ipc_rows);
  take(d, "key", o.key);
  take(d, "partition", o.partition);
  take(d, "timestamp", o.timestamp);
  take(d, "headers", o.headers);
  take(d, "only_metadata", o.only_metadata);
  return o;
}

PostgresSinkOptions postgres_options(const std::string& mode, std::vector<std::string> key) {
  const std::map<std::string, PostgresMode> kModes = {{"append", PostgresMode::kAppend},
                                                      {"replace", PostgresMode::kReplace},
                                                      {"create", PostgresMode::kCreate},
                                                      {"fail", PostgresMode::kFail},
                                                      {"upsert", PostgresMode::kUpsert}};
  const auto found = kModes.find(mode);
  if (found == kModes.end()) {
    raise(base::plan_error("unknown mode \"" + mode + "\"", base::suggest_name(mode, {"append", "replace", "create", "fail", "upsert"})));
  }
  return {found->second, std::move(key)};
}

exec::QueryContext context_of(int64_t memory_limit) {
  exec::QueryContext out;
  out.memory = base::QueryMemory::make(memory_limit);
  return out;
}

// Waits for the handle, or the time; false: the time is over. Looks at Ctrl-C.
arrow::Result<bool> wait_for(const base::WaitHandlePtr& handle, double seconds) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable fired;
    bool done = false;
  };
  const auto shared = std::make_shared<Shared>();
  handle->on_ready([shared] {
    std::lock_guard lock(shared->mutex);
    shared->done = true;
    shared->fired.notify_all();
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::unique_lock lock(shared->mutex);
  while (!shared->done) {
    const auto step =
        std::min<std::chrono::steady_clock::time_point>(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(until),
                                                        std::chrono::steady_clock::now() + std::chrono::milliseconds(100));
    shared->fired.wait_until(lock, step);
    if (shared->done) break;
    if (std::chrono::steady_clock::now() >= until) return false;
    ARROW_RETURN_NOT_OK(poll_signals());
  }
  return true;
}

// A topic, batch by batch, on the caller's thread.
class TopicReader {
 public:
  TopicReader(const std::string& topic, const KafkaOptions& options, int64_t memory_limit) : context_(context_of(memory_limit)) {
    plan_ = unwrap(without_gil([&] { return gs::plan_kafka(gs::source_options(topic, options), context_.cancel); }));
    source_ = gs::kafka_source(plan_);
  }
  ~TopicReader() {
    WithoutGil without;
    source_.reset();
  }

  void start(const gs::Positions& positions) {
    check(without_gil([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(source_->start(positions, {&context_, nullptr}));
      ARROW_ASSIGN_OR_RAISE(local_, source_->make_local());
      return arrow::Status::OK();
    }));
  }

  // (partition, position, next position, batches), None when nothing came in time, an empty tuple at the end.
  nb::object poll(double seconds) {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    gs::Polled polled;
    check(without_gil([&]() -> arrow::Status {
      while (true) {
        ARROW_ASSIGN_OR_RAISE(polled, source_->poll());
        if (polled.chunk != nullptr || polled.end) break;
        ARROW_ASSIGN_OR_RAISE(const bool fired, wait_for(polled.wait, seconds));
        if (!fired) return arrow::Status::OK();
      }
      return polled.chunk == nullptr ? arrow::Status::OK() : decode(*polled.chunk, batches);
    }));
    if (polled.end) return nb::make_tuple();
    if (polled.chunk == nullptr) return nb::none();
    nb::list out;
    for (const auto& b : batches) out.append(export_batch(*b));
    return nb::make_tuple(polled.chunk->partition, polled.chunk->position, polled.chunk->next_position, out);
  }

  void commit(const gs::Positions& positions) {
    check(without_gil([&] { return source_->commit(positions); }));
  }
  void stop() {
    WithoutGil without;
    source_->stop();
  }
  nb::object schema() const { return export_schema(*plan_->schema()); }
  std::map<std::string, int64_t> stats() const { return source_->stats(); }
  std::vector<int32_t> at_end() const { return source_->at_end(); }
  int32_t partitions() const { return source_->partitions(); }

 private:
  arrow::Status decode(const gs::Chunk& chunk, std::vector<std::shared_ptr<arrow::RecordBatch>>& out) {
    std::vector<int> all;
    for (int i = 0; i < plan_->schema()->num_fields(); ++i) all.push_back(i);
    plan::ScanCounts counts;
    return source_->decode(
        chunk, all, *local_, context_.pool(),
        [&](column::Batch b) -> arrow::Status {
          ARROW_ASSIGN_OR_RAISE(auto exported, column::export_batch(b, plan_->schema(), context_.pool()));
          out.push_back(std::move(exported));
          return arrow::Status::OK();
        },
        counts);
  }

  exec::QueryContext context_;
  std::shared_ptr<const gs::KafkaPlan> plan_;
  gs::EndlessSourcePtr source_;
  std::unique_ptr<plan::ScanLocal> local_;
};

// A sink as the driver of a stream uses it, by hand.
struct Epochs {
  gs::EpochSinkPtr sink;
  exec::QueryContext context = context_of(0);
  std::shared_ptr<arrow::Schema> schema;

  int64_t open(const std::string& id, nb::handle capsule) {
    auto* c = static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_schema"));
    if (c == nullptr) throw nb::python_error();
    schema = unwrap(arrow::ImportSchema(c));
    return unwrap(without_gil([&] { return sink->open(id, schema, context); }));
  }
  void write(nb::handle capsules) {
    const auto rows = unwrap(arrow::RecordBatch::FromStructArray(import_array(capsules)));
    check(without_gil([&]() -> arrow::Status {
      for (int64_t at = 0; at < rows->num_rows(); at += column::kMaxBatchRows) {
        ARROW_ASSIGN_OR_RAISE(auto batch, column::import_batch(*rows->Slice(at, column::kMaxBatchRows), context.pool()));
        std::vector<column::Batch> one;
        one.push_back(std::move(batch));
        ARROW_ASSIGN_OR_RAISE(one, sink->stage(std::move(one), context));
        while (true) {
          ARROW_ASSIGN_OR_RAISE(const auto answer, sink->deliver(one));
          if (answer.wait == nullptr) break;
          ARROW_RETURN_NOT_OK(wait_for(answer.wait, 60).status());
        }
      }
      return arrow::Status::OK();
    }));
  }
};

nb::dict shown(const gs::Checkpoint& c) {
  nb::dict out;
  out["epoch"] = c.epoch;
  out["version"] = c.version;
  out["created_micros"] = c.created_micros;
  out["bytes"] = c.bytes;
  out["path"] = c.path;
  out["facts"] = c.facts;
  nb::list parts;
  for (const auto& p : c.parts) parts.append(nb::make_tuple(p.name, p.bytes));
  out["parts"] = parts;
  return out;
}

struct Store {
  std::shared_ptr<gs::CheckpointStore> store;
  Store(const std::string& path, const std::map<std::string, std::string>& storage)
      : store(unwrap(gs::CheckpointStore::open(path, unwrap(io::storage_options(storage))))) {}

  void write(int64_t epoch, const std::vector<std::pair<std::string, nb::bytes>>& parts, const std::map<std::string, std::string>& facts,
             int64_t now, bool commit) {
    std::vector<std::pair<std::string, std::string>> copied;
    for (const auto& [name, bytes] : parts) copied.emplace_back(name, std::string(bytes.c_str(), bytes.size()));
    check(without_gil([&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto writer, store->begin(epoch));
      for (const auto& [name, bytes] : copied) ARROW_RETURN_NOT_OK(writer->add(name, bytes));
      for (const auto& [name, value] : facts) writer->set_fact(name, value);
      return commit ? writer->commit(now).status() : arrow::Status::OK();
    }));
  }
  nb::bytes read(int64_t epoch, const std::string& part) const {
    const auto bytes = unwrap(without_gil([&]() -> arrow::Result<std::shared_ptr<arrow::Buffer>> {
      ARROW_ASSIGN_OR_RAISE(const auto c, store->inspect(epoch));
      const auto* found = c.find(part);
      if (found == nullptr) return base::io_error("the checkpoint has no part \"" + part + "\"");
      return store->read(c, *found, arrow::default_memory_pool());
    }));
    return nb::bytes(bytes->data(), static_cast<size_t>(bytes->size()));
  }
};

}  // namespace

void bind_stream_connect(nb::module_& m) {
  nb::class_<TopicReader>(m, "TopicReader")
      .def("__init__", [](TopicReader* self, const std::string& topic, const nb::dict& options,
                          int64_t memory_limit) { new (self) TopicReader(topic, reading(options), memory_limit); })
      .def("start", &TopicReader::start)
      .def("poll", &TopicReader::poll)
      .def("commit", &TopicReader::commit)
      .def("stop", &TopicReader::stop)
      .def("schema", &TopicReader::schema)
      .def("stats", &TopicReader::stats)
      .def("at_end", &TopicReader::at_end)
      .def("partitions", &TopicReader::partitions);
  nb::class_<Epochs>(m, "EpochSink")
      .def_static("kafka",
                  [](const std::string& topic, const nb::dict& options) {
                    return Epochs{unwrap(gs::kafka_sink(gs::sink_options(topic, writing(options))))};
                  })
      .def_static("files",
                  [](const std::string& folder, const std::string& format, const std::string& compression,
                     const std::map<std::string, std::string>& storage) {
                    return Epochs{unwrap(gs::epoch_files(folder, unwrap(gs::files_options({format, compression, storage}))))};
                  })
      .def_static(
          "postgres",
          [](const std::string& connection, const std::string& table, const std::string& mode, const std::vector<std::string>& key) {
            return Epochs{unwrap(gs::epoch_postgres(connection, table, postgres_options(mode, key)))};
          })
      .def("open", &Epochs::open)
      .def("begin", [](Epochs& s, int64_t epoch) { check(without_gil([&] { return s.sink->begin(epoch); })); })
      .def("write", &Epochs::write)
      .def("flush",
           [](Epochs& s, int64_t epoch) {
             const std::string token = unwrap(without_gil([&] { return s.sink->flush(epoch, {}); }));
             return nb::bytes(token.data(), token.size());
           })
      .def("commit",
           [](Epochs& s, int64_t epoch, const nb::bytes& token) {
             const std::string text(token.c_str(), token.size());
             check(without_gil([&] { return s.sink->commit(epoch, text); }));
           })
      .def("committed", [](const Epochs& s) { return s.sink->committed(); })
      .def("keeps_flushed", [](const Epochs& s) { return s.sink->keeps_flushed(); })
      .def("exactly_once", [](const Epochs& s) { return s.sink->delivery() == gs::Delivery::kExactlyOnce; })
      .def("abort", [](Epochs& s) { without_gil([&] { s.sink->abort(); }); })
      .def("close", [](Epochs& s) { check(without_gil([&] { return s.sink->close(); })); });
  nb::class_<Store>(m, "CheckpointStore")
      .def("__init__",
           [](Store* self, const std::string& path, const std::map<std::string, std::string>& storage) { new (self) Store(path, storage); })
      .def("list",
           [](const Store& s) {
             std::vector<std::string> damaged;
             const auto all = unwrap(without_gil([&] { return s.store->list(&damaged); }));
             nb::list out;
             for (const auto& c : all) out.append(shown(c));
             return nb::make_tuple(out, damaged);
           })
      .def("inspect", [](const Store& s, int64_t epoch) { return shown(unwrap(without_gil([&] { return s.store->inspect(epoch); }))); })
      .def("newest", [](const Store& s, int64_t most) { return shown(unwrap(without_gil([&] { return s.store->newest(most); }))); })
      .def("write", &Store::write)
      .def("read", &Store::read)
      .def("take_over", [](Store& s) { check(without_gil([&] { return s.store->take_over(); })); })
      .def("remove_after", [](Store& s, int64_t epoch) { check(without_gil([&] { return s.store->remove_after(epoch); })); });
  nb::class_<StreamControl>(m, "StreamControl")
      .def(nb::init<>())
      .def("stop", [](const StreamControl& c) { without_gil([&] { c.stop(); }); })
      .def("stats", [](const StreamControl& c) { return without_gil([&] { return c.stats(); }); });
  m.def("stream_from_kafka", [](const std::string& topic, const nb::dict& options) {
    const KafkaOptions o = reading(options);
    return without_gil([&] { return from_kafka(topic, o); });
  });
  m.def("stream_write_kafka", [](const Stream& stream, const std::string& topic, const nb::dict& options, const StreamControl& control) {
    const KafkaWriteOptions o = writing(options);
    check(without_gil([&] { return write_kafka(stream, topic, o, {}, control); }));
  });
  m.def("stream_write_files", [](const Stream& stream, const std::string& folder, const std::string& format, const std::string& compression,
                                 const std::map<std::string, std::string>& storage, const StreamControl& control) {
    check(without_gil([&] { return write_files(stream, folder, {format, compression, storage}, {}, control); }));
  });
  m.def("stream_write_postgres", [](const Stream& stream, const std::string& connection, const std::string& table, const std::string& mode,
                                    const std::vector<std::string>& key, const StreamControl& control) {
    const PostgresSinkOptions o = postgres_options(mode, key);
    check(without_gil([&] { return write_postgres(stream, connection, table, o, {}, control); }));
  });
}

}  // namespace gristmill::python
