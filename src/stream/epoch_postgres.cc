// PostgreSQL: rows and the epoch's number in one transaction.
//
// The table "gristmill_epochs" beside the rows' table has a row for each sink: the last epoch that counts, and who writes. Whoever opens a
// sink takes its row over; the commit of a run that has been replaced finds another owner and undoes itself. So neither a crash nor two
// runs at once can count an epoch twice.

#include <array>
#include <cinttypes>
#include <cstdio>

#include <sys/random.h>

#include "base/status.h"
#include "io/connect/postgres_session.h"
#include "io/connect/postgres_write.h"
#include "stream/epoch_sink.h"
#include "stream/steps.h"

namespace gristmill::stream {
namespace {

// "schema.table" -> the quoted name of gristmill_epochs in that schema.
arrow::Result<std::string> epochs_table(const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const std::string quoted, io::quote_table(table));
  bool inside = false;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] == '"') inside = !inside;
    if (quoted[i] == '.' && !inside) return quoted.substr(0, i) + ".\"gristmill_epochs\"";
  }
  return std::string("\"gristmill_epochs\"");
}

std::string random_owner() {
  std::array<uint64_t, 2> bits{};
  if (::getrandom(bits.data(), sizeof bits, 0) != sizeof bits) bits[0] = 1;
  char text[40];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
  return text;
}

class EpochPostgres final : public EpochSink {
 public:
  EpochPostgres(std::string connection, std::string table, std::string epochs, std::string shown, PostgresSinkOptions options)
      : connection_(std::move(connection)),
        table_(std::move(table)),
        epochs_(std::move(epochs)),
        shown_(std::move(shown)),
        options_(std::move(options)) {}
  std::string name() const override { return "write postgres " + shown_ + " " + table_; }
  Delivery delivery() const override { return Delivery::kExactlyOnce; }
  int64_t committed() const override { return committed_; }

  arrow::Result<int64_t> open(const std::string& sink_id, std::shared_ptr<arrow::Schema> schema,
                              const exec::QueryContext& context) override {
    id_ = sink_id == kUnnamed ? sink_id + " into " + table_ : sink_id;
    schema_ = std::move(schema);
    memory_ = context.memory;
    cancel_ = context.cancel;
    owner_ = random_owner();
    ARROW_ASSIGN_OR_RAISE(auto address, io::parse_postgres_address(connection_));
    ARROW_ASSIGN_OR_RAISE(const auto session, io::PostgresSession::open(std::move(address), keep()));
    ARROW_RETURN_NOT_OK(session->execute("set lock_timeout = '30s'").status());  // of a run that hangs between flush and commit
    ARROW_RETURN_NOT_OK(make_epochs(*session));
    ARROW_ASSIGN_OR_RAISE(const auto answer,
                          session->execute("insert into " + epochs_ +
                                               " (sink, epoch, owner) values ($1, 0, $2) on conflict (sink) do update set owner = "
                                               "excluded.owner, changed = now() returning epoch",
                                           {id_, owner_}));
    if (answer.rows.size() != 1 || !answer.rows[0][0]) return base::internal_error("no epoch came back from " + epochs_);
    return committed_ = std::strtoll(answer.rows[0][0]->c_str(), nullptr, 10);
  }

  arrow::Status begin(int64_t epoch) override {
    skipping_ = epoch <= committed_;
    seq_ = 0;
    sink_ = nullptr;
    if (skipping_) return arrow::Status::OK();
    PostgresSinkOptions options = options_;
    // Making or emptying the table is part of the first epoch alone.
    if (committed_ > 0 && options.mode != PostgresMode::kUpsert) options.mode = PostgresMode::kAppend;
    ARROW_ASSIGN_OR_RAISE(sink_, io::write_postgres(connection_, table_, schema_, options, memory_, keep()));
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    if (skipping_) return batches;
    return sink_->stage(std::move(batches), context);
  }

  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) override {
    if (skipping_) {
      batches.clear();
      return exec::OrderedSink::Answer{};
    }
    auto answer = sink_->deliver(seq_, batches);
    if (!answer.ok()) return failed(answer.status());
    if (answer->wait == nullptr) ++seq_;
    return answer;
  }

  arrow::Result<std::string> flush(int64_t epoch, const std::vector<SourcePositions>&) override {
    if (skipping_) return std::string{};
    const auto settled = sink_->settle();
    if (!settled.ok()) return failed(settled);
    ARROW_ASSIGN_OR_RAISE(const auto answer, sink_->execute("update " + epochs_ +
                                                                " set epoch = $1, changed = now() where sink = $2 and owner = $3 and "
                                                                "epoch < $1",
                                                            {std::to_string(epoch), id_, owner_}));
    if (answer.affected != 1) {
      return base::io_error("another run writes as the sink \"" + id_ + "\" into " + shown_ + " now; this one stops");
    }
    return std::string{};
  }

  arrow::Status commit(int64_t epoch, const std::string&) override {
    if (epoch <= committed_) return arrow::Status::OK();
    if (sink_ == nullptr) return base::internal_error("epoch " + std::to_string(epoch) + " was not flushed by this run");
    const auto sink = std::move(sink_);
    sink_ = nullptr;
    ARROW_RETURN_NOT_OK(sink->finalize());
    committed_ = epoch;
    return arrow::Status::OK();
  }

  void abort() override {
    if (sink_ != nullptr) sink_->abandon();
    sink_ = nullptr;
  }

 private:
  io::KeepWaiting keep() const {
    return [cancel = cancel_] { return cancel.check(); };
  }

  // The server's own error, where it has found one in the rows before.
  arrow::Status failed(const arrow::Status& why) {
    sink_->abandon();
    const arrow::Status first = sink_->first_error(why);
    sink_ = nullptr;
    return first;
  }

  arrow::Status make_epochs(io::PostgresSession& session) const {
    const std::string sql =
        "create table if not exists " + epochs_ +
        " (sink text primary key, epoch bigint not null, owner text not null, changed timestamptz not null default now())";
    const arrow::Status made = session.execute(sql).status();
    const std::string state = io::sqlstate_of(made);
    // Somebody else made it just now: its row in the catalogue, its type or the table itself was there first.
    if (state == "23505" || state == "42710" || state == "42P07") return session.execute(sql).status();
    return made;
  }

  const std::string connection_, table_, epochs_, shown_;
  const PostgresSinkOptions options_;
  std::string id_, owner_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<base::QueryMemory> memory_;
  base::CancelToken cancel_;
  std::shared_ptr<io::PostgresSink> sink_;
  int64_t committed_ = 0;
  uint64_t seq_ = 0;
  bool skipping_ = false;
};

}  // namespace

arrow::Result<EpochSinkPtr> epoch_postgres(const std::string& connection, const std::string& table, const PostgresSinkOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto address, io::parse_postgres_address(connection));
  ARROW_ASSIGN_OR_RAISE(std::string epochs, epochs_table(table));
  return std::make_shared<EpochPostgres>(connection, table, std::move(epochs), address.shown, options);
}

}  // namespace gristmill::stream
