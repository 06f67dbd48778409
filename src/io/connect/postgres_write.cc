// stage() turns a morsel into bytes, deliver() sends them.
//
// Bytes travel through the ring as a batch of one constant column whose single value is a piece of the COPY, so that the ring counts
// and orders them like rows. A value that cannot be written ends its piece; the error waits beside it until its turn, after
// the rows before it, in which the server may find one of its own.
//
// Everything from "begin" on can be done again: start_over() does, as often as patience allows, and what the workers encoded stays valid.

#include "io/connect/postgres_write.h"

#include <chrono>
#include <map>
#include <mutex>
#include <set>

#include <arrow/type.h>

#include "base/spill_file.h"
#include "base/status.h"
#include "column/buffers.h"
#include "io/connect/postgres_table.h"
#include "io/piece_batch.h"
#include "io/text_format.h"
#include "io/transfer.h"

namespace gristmill::io {
namespace {

constexpr auto kLastWait = std::chrono::seconds(5);  // for the server's word on a COPY that is given up
constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr const char* kStaging = "pg_temp.\"gristmill rows\"";
constexpr const char* kOrder = "\"gristmill order\"";

arrow::Status stage_rows(PostgresSession& session, const std::string& table, const arrow::Schema& schema) {
  return session
      .execute(std::string("create temporary table \"gristmill rows\" on commit drop as select ") + column_list(schema) + " from " + table +
               " with no data; alter table " + kStaging + " add " + kOrder + " bigserial")
      .status();
}

// What was sent and is not committed, in its order.
class SentBytes {
 public:
  void add(std::string_view bytes) {
    if (!lost_.ok()) return;
    open_ += bytes;
    if (open_.size() >= kPieceBytes) lost_ = put_away();
  }
  // Why it cannot be sent again, or OK.
  const arrow::Status& lost() const { return lost_; }
  template <typename Send>
  arrow::Status each(const Send& send, arrow::MemoryPool* pool) const {
    for (const base::SpillBlock& b : blocks_) {
      ARROW_ASSIGN_OR_RAISE(const auto bytes, file_->read(b, pool));
      ARROW_RETURN_NOT_OK(send(std::string_view(reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size()))));
    }
    return send(open_);
  }

 private:
  arrow::Status put_away() {
    if (file_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(file_, base::SpillFile::create());
    }
    ARROW_ASSIGN_OR_RAISE(const auto block, file_->write(reinterpret_cast<const uint8_t*>(open_.data()), std::ssize(open_)));
    blocks_.push_back(block);
    open_.clear();
    return arrow::Status::OK();
  }

  std::shared_ptr<base::SpillFile> file_;
  std::vector<base::SpillBlock> blocks_;
  std::string open_;
  arrow::Status lost_;
};

class Sink final : public PostgresSink {
 public:
  Sink(PostgresAddress address, std::string table, std::shared_ptr<arrow::Schema> schema, PostgresSinkOptions options, std::string name,
       std::shared_ptr<base::QueryMemory> memory, KeepWaiting keep, PostgresPatience patience)
      : address_(std::move(address)),
        table_(std::move(table)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        name_(std::move(name)),
        memory_(std::move(memory)),
        keep_(std::move(keep)),
        patience_(std::move(patience)) {}

  arrow::Status open() {
    const arrow::Status status = begin();
    if (status.ok()) patience_.answered();
    return status.ok() || !patient(status) ? status : start_over(status);
  }

  std::string name() const override { return name_; }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    std::vector<column::Batch> out;
    std::string bytes;
    int64_t rows = 0;
    const auto hand_over = [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto piece, piece_batch(bytes, rows, context.pool()));
      out.push_back(std::move(piece));
      bytes.clear();
      rows = 0;
      return arrow::Status::OK();
    };
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(const auto flat, RowEncoder::flatten(std::move(b), context.pool()));
      for (int64_t first = 0, done = 0; first < flat.rows; first += done) {
        ARROW_RETURN_NOT_OK(context.cancel.check());
        const arrow::Status status = encoder_->append(flat, first, kPieceBytes, bytes, done);
        rows += done;
        if (!status.ok()) {
          ARROW_RETURN_NOT_OK(hand_over());
          std::lock_guard lock(mutex_);
          refused_.emplace(out.back().columns[0].values.get(), placed(status, flat));
          return out;
        }
        if (bytes.size() >= kPieceBytes) ARROW_RETURN_NOT_OK(hand_over());
      }
    }
    if (rows > 0) ARROW_RETURN_NOT_OK(hand_over());
    return out;
  }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    for (column::Batch& b : batches) {
      const arrow::ArrayData* piece = b.columns[0].values.get();
      const std::string_view bytes = column::view_at(*piece, 0);
      ARROW_RETURN_NOT_OK(send(bytes));
      count_transfer(std::ssize(bytes));
      std::lock_guard lock(mutex_);
      const auto refused = refused_.find(piece);
      if (refused != refused_.end()) return refused->second;
    }
    batches.clear();
    return Answer{};
  }

  arrow::Status settle() override {
    if (settled_) return arrow::Status::OK();
    settled_ = true;
    return end_rows();
  }

  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(settle());
    while (true) {
      bool undecided = false;
      const arrow::Status status = session_->commit(&undecided);
      if (status.ok()) break;
      if (undecided) {
        ARROW_ASSIGN_OR_RAISE(const bool holds, commit_holds(status));
        if (holds) break;
      } else if (!patient(status)) {
        return status;
      }
      ARROW_RETURN_NOT_OK(start_over(status));
      ARROW_RETURN_NOT_OK(end_rows());
    }
    session_->close();
    return arrow::Status::OK();
  }

  void abandon() override {
    if (session_ == nullptr) return;
    if (session_->copying_in()) {
      session_->set_keep_waiting([deadline = std::chrono::steady_clock::now() + kLastWait] {
        return std::chrono::steady_clock::now() < deadline ? arrow::Status::OK() : base::cancelled_error();
      });
      server_error_ = session_->refuse_copy_in();
    }
    session_->close();
  }

  arrow::Result<PostgresAnswer> execute(const std::string& sql, const std::vector<PostgresText>& parameters) override {
    ARROW_RETURN_NOT_OK(settle());
    return session_->execute(sql, parameters);
  }

  arrow::Status first_error(const arrow::Status& why) const override {
    const base::ErrorKind kind = base::error_kind(why);
    const bool by_row = kind == base::ErrorKind::kData || kind == base::ErrorKind::kIo || kind == base::ErrorKind::kPlan;
    return by_row && !server_error_.ok() ? server_error_ : why;
  }

 private:
  // A transaction, the table, a COPY that has begun.
  arrow::Status begin() {
    session_.reset();
    ARROW_ASSIGN_OR_RAISE(session_, PostgresSession::open(address_, [this] { return keep_waiting(); }));
    ARROW_RETURN_NOT_OK(session_->execute("begin").status());
    ARROW_RETURN_NOT_OK(ready_table(*session_, table_, options_.mode, *schema_));
    if (!encoder_) {
      ARROW_ASSIGN_OR_RAISE(encoder_, encoder_for(*session_, table_, *schema_));
    }
    const bool upsert = options_.mode == PostgresMode::kUpsert;
    if (upsert) ARROW_RETURN_NOT_OK(stage_rows(*session_, table_, *schema_));
    transaction_.reset();
    if (patience_.wait) {
      const auto answer = session_->execute("select txid_current()");
      ARROW_RETURN_NOT_OK(answer.status());
      if (!answer->rows.empty()) transaction_ = answer->rows[0][0];
    }
    ARROW_RETURN_NOT_OK(session_->begin_copy_in(copy_statement(upsert ? kStaging : table_, *schema_)));
    return session_->put(RowEncoder::header());
  }

  bool patient(const arrow::Status& why) const { return patience_.wait && may_pass(why); }

  // Another connection on which everything was said again, or why there is none.
  arrow::Status start_over(arrow::Status why) {
    while (true) {
      if (!sent_.lost().ok())
        return why.WithMessage(why.message(), "; what was sent is not kept, so it cannot be sent again: ", sent_.lost().message());
      ARROW_RETURN_NOT_OK(patience_.wait(why));
      why = begin();
      if (why.ok()) why = sent_.each([this](std::string_view bytes) { return put(bytes); }, memory_->pool());
      if (why.ok()) {
        patience_.answered();
        return why;
      }
      if (!patient(why)) return why;
    }
  }

  arrow::Status send(std::string_view bytes) {
    if (patience_.wait) sent_.add(bytes);
    const arrow::Status status = put(bytes);
    return status.ok() || !patient(status) ? status : start_over(status);
  }

  arrow::Status put(std::string_view bytes) {
    if (patience_.silence) silent_at_ = std::chrono::steady_clock::now() + *patience_.silence;
    const arrow::Status status = session_->put(bytes);
    silent_at_.reset();
    return status;
  }

  arrow::Status keep_waiting() const {
    if (keep_) ARROW_RETURN_NOT_OK(keep_());
    if (!silent_at_ || std::chrono::steady_clock::now() < *silent_at_) return arrow::Status::OK();
    const auto seconds = std::chrono::duration<double>(*patience_.silence).count();
    return base::io_error("writing to PostgreSQL at " + address_.shown + " failed: the server took nothing for " + shown_number(seconds) +
                          " seconds");
  }

  static std::string shown_number(double v) {
    std::string out;
    append_float(v, -1, out);
    return out.ends_with(".0") ? out.substr(0, out.size() - 2) : out;
  }

  // All rows are with the server, which has checked them.
  arrow::Status end_rows() {
    while (true) {
      const arrow::Status status = end_rows_once();
      if (status.ok() || !patient(status)) return status;
      ARROW_RETURN_NOT_OK(start_over(status));
    }
  }
  arrow::Status end_rows_once() {
    ARROW_RETURN_NOT_OK(session_->put(RowEncoder::trailer()));
    ARROW_RETURN_NOT_OK(session_->end_copy_in().status());
    return options_.mode == PostgresMode::kUpsert ? merge_staged() : arrow::Status::OK();
  }

  // Whether the transaction holds whose commit got no answer. An error: nobody can say.
  arrow::Result<bool> commit_holds(const arrow::Status& why) {
    while (patience_.wait && transaction_) {
      if (!patience_.wait(why).ok()) break;
      session_.reset();
      auto session = PostgresSession::open(address_, [this] { return keep_waiting(); });
      if (!session.ok()) {
        if (may_pass(session.status())) continue;
        break;
      }
      session_ = std::move(*session);
      const auto answer = session_->execute("select txid_status($1::bigint)", {transaction_});
      if (!answer.ok()) {
        if (may_pass(answer.status())) continue;
        break;
      }
      patience_.answered();
      const PostgresText fate = answer->rows.empty() ? std::nullopt : answer->rows[0][0];
      if (fate == "committed") return true;
      if (fate == "aborted") return false;
      if (fate != "in progress") break;  // the server has forgotten it
    }
    return why;
  }

  // The error with the source row, as far as it is known here.
  static arrow::Status placed(const arrow::Status& status, const column::Batch& flat) {
    const auto detail = base::error_detail(status);
    if (detail == nullptr || detail->batch_row < 0) return status;
    base::ErrorDetail out = *detail;
    out.row = flat.origin.row_of(out.batch_row);
    out.batch_row = -1;
    return base::with_detail(status, out);
  }

  // Staged rows into the table: of rows with one key the last; rows with a null in their key are never equal to another.
  arrow::Status merge_staged() {
    std::string keys, nulls, updates;
    std::set<std::string> is_key(options_.key.begin(), options_.key.end());
    for (const std::string& k : options_.key) {
      keys += (keys.empty() ? "" : ", ") + quote_identifier(k);
      nulls += " or " + quote_identifier(k) + " is null";
    }
    for (const auto& f : schema_->fields()) {
      if (is_key.contains(f->name())) continue;
      const std::string name = quote_identifier(f->name());
      updates += (updates.empty() ? "" : ", ") + name + " = excluded." + name;
    }
    const std::string columns = column_list(*schema_);
    return session_
        ->execute("insert into " + table_ + " (" + columns + ") select " + columns + " from (select *, row_number() over (partition by " +
                  keys + " order by " + kOrder + " desc) as \"gristmill rank\" from " + kStaging + ") as s where \"gristmill rank\" = 1" +
                  nulls + " order by " + kOrder + " on conflict (" + keys + ") do " +
                  (updates.empty() ? "nothing" : "update set " + updates))
        .status();
  }

  const PostgresAddress address_;
  const std::string table_;
  const std::shared_ptr<arrow::Schema> schema_;
  const PostgresSinkOptions options_;
  const std::string name_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const KeepWaiting keep_;
  const PostgresPatience patience_;
  std::optional<RowEncoder> encoder_;  // of the table as it was first found
  std::unique_ptr<PostgresSession> session_;
  PostgresText transaction_;  // its number, while there is one
  SentBytes sent_;
  std::optional<std::chrono::steady_clock::time_point> silent_at_;
  bool settled_ = false;
  arrow::Status server_error_;
  std::mutex mutex_;
  std::map<const arrow::ArrayData*, arrow::Status> refused_;  // by the piece that ends before the row
};

arrow::Status check_options(const arrow::Schema& schema, const PostgresSinkOptions& options) {
  if (schema.num_fields() == 0) return base::plan_error("a frame without columns cannot be written to PostgreSQL");
  if ((options.mode == PostgresMode::kUpsert) == options.key.empty()) {
    return base::plan_error("mode \"upsert\" and key go together: the key's columns have a unique index in the table");
  }
  for (const std::string& k : options.key) {
    if (schema.GetFieldIndex(k) < 0)
      return base::plan_error("no column \"" + k + "\" for the key", base::suggest_name(k, schema.field_names()));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<PostgresSink>> write_postgres(const std::string& connection, const std::string& table,
                                                            std::shared_ptr<arrow::Schema> schema, const PostgresSinkOptions& options,
                                                            std::shared_ptr<base::QueryMemory> memory, KeepWaiting keep,
                                                            PostgresPatience patience) {
  ARROW_RETURN_NOT_OK(check_options(*schema, options));
  ARROW_ASSIGN_OR_RAISE(std::string quoted, quote_table(table));
  ARROW_ASSIGN_OR_RAISE(auto address, parse_postgres_address(connection));
  std::string name = "write postgres " + address.shown + " " + table;
  auto sink = std::make_shared<Sink>(std::move(address), std::move(quoted), std::move(schema), options, std::move(name), std::move(memory),
                                     std::move(keep), std::move(patience));
  ARROW_RETURN_NOT_OK(sink->open());
  return sink;
}

}  // namespace gristmill::io
