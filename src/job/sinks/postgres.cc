// A table of PostgreSQL as a sink: one transaction, all rows or none.

#include "base/status.h"
#include "io/connect/postgres_write.h"
#include "job/sinks/kinds.h"

namespace gristmill::job {
namespace {

PostgresMode mode_of(const std::string& text) {
  if (text == "replace") return PostgresMode::kReplace;
  if (text == "create") return PostgresMode::kCreate;
  if (text == "fail") return PostgresMode::kFail;
  if (text == "upsert") return PostgresMode::kUpsert;
  return PostgresMode::kAppend;
}

class PostgresTable final : public Sink {
 public:
  explicit PostgresTable(const Settings& settings) : settings_(settings), mode_(mode_of(settings.text("mode", "append"))) {}
  std::string name() const override { return "postgres " + settings_.text("table"); }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>& schema,
                                                         const SinkContext& context) override {
    PostgresSinkOptions options{mode_, settings_.texts("key")};
    ARROW_ASSIGN_OR_RAISE(sink_, io::write_postgres(settings_.text("connection"), settings_.text("table"), schema, options, context.memory,
                                                    context.keep_waiting));
    return sink_;
  }
  arrow::Result<stream::EpochSinkPtr> open_epochs() override {
    return stream::epoch_postgres(settings_.text("connection"), settings_.text("table"), {mode_, settings_.texts("key")});
  }
  // What the table refuses is known before any sink shows its rows.
  arrow::Status complete() override { return sink_ == nullptr ? arrow::Status::OK() : sink_->settle(); }
  arrow::Status explain(const arrow::Status& status) override { return sink_ == nullptr ? status : sink_->first_error(status); }
  arrow::Status add_to_existing() override {
    if (mode_ != PostgresMode::kUpsert) mode_ = PostgresMode::kAppend;
    return arrow::Status::OK();
  }

 private:
  const Settings settings_;
  PostgresMode mode_;
  std::shared_ptr<io::PostgresSink> sink_;
};

}  // namespace

SinkKind postgres_sink_kind() {
  return {{.name = "postgres",
           .kind = ValueKind::kSection,
           .help = "A table of PostgreSQL, in one transaction.",
           .keys = {{.name = "connection",
                     .help = "A URI or \"host=... dbname=...\"; what it leaves out comes from PGHOST, PGPASSWORD, ...",
                     .required = true,
                     .secret = true},
                    {.name = "table", .help = "\"name\" or \"schema.name\", spelled exactly.", .required = true},
                    {.name = "mode",
                     .help = "What becomes of the table: rows are added, replace them, go into a new one, or update by key.",
                     .choices = {"append", "replace", "create", "fail", "upsert"},
                     .fallback = "append"},
                    {.name = "key", .kind = ValueKind::kTexts, .help = "For upsert: columns of a unique index."}}},
          "postgres: {connection: \"postgresql://job@db/shop\", table: orders, mode: upsert, key: [id]}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Sink>> {
            const bool upsert = s.text("mode") == "upsert";
            if (upsert && s.texts("key").empty()) return s.error("mode upsert needs the key to find rows by", "key: [id]");
            if (!upsert && s.has("key")) return s.error_at("key", "only mode upsert has a key");
            return std::make_unique<PostgresTable>(s);
          }};
}

}  // namespace gristmill::job
