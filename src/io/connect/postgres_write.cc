// stage() turns a morsel into bytes, deliver() sends them.
//
// Bytes travel through the ring as a batch of one constant column whose single value is a piece of the COPY, so that the ring counts
// and orders them like rows. A value that cannot be written ends its piece; the error waits beside it until its turn, after
// the rows before it, in which the server may find one of its own.

#include "io/connect/postgres_write.h"

#include <chrono>
#include <map>
#include <mutex>
#include <set>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/connect/postgres_table.h"
#include "io/piece_batch.h"
#include "io/transfer.h"

namespace gristmill::io {
namespace {

constexpr auto kLastWait = std::chrono::seconds(5);  // for the server's word on a COPY that is given up
constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr const char* kStaging = "pg_temp.\"gristmill rows\"";
constexpr const char* kOrder = "\"gristmill order\"";

class Sink final : public PostgresSink {
 public:
  Sink(std::unique_ptr<PostgresSession> session, std::string table, std::shared_ptr<arrow::Schema> schema, PostgresSinkOptions options,
       RowEncoder encoder, std::string name)
      : session_(std::move(session)),
        table_(std::move(table)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        encoder_(std::move(encoder)),
        name_(std::move(name)) {}

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
        const arrow::Status status = encoder_.append(flat, first, kPieceBytes, bytes, done);
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
      ARROW_RETURN_NOT_OK(session_->put(bytes));
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
    ARROW_RETURN_NOT_OK(session_->put(RowEncoder::trailer()));
    ARROW_RETURN_NOT_OK(session_->end_copy_in().status());
    return options_.mode == PostgresMode::kUpsert ? merge_staged() : arrow::Status::OK();
  }

  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(settle());
    bool undecided = false;
    ARROW_RETURN_NOT_OK(session_->commit(&undecided));
    session_->close();
    return arrow::Status::OK();
  }

  void abandon() override {
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

  const std::unique_ptr<PostgresSession> session_;
  const std::string table_;
  const std::shared_ptr<arrow::Schema> schema_;
  const PostgresSinkOptions options_;
  const RowEncoder encoder_;
  const std::string name_;
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

arrow::Status stage_rows(PostgresSession& session, const std::string& table, const arrow::Schema& schema) {
  return session
      .execute(std::string("create temporary table \"gristmill rows\" on commit drop as select ") + column_list(schema) + " from " + table +
               " with no data; alter table " + kStaging + " add " + kOrder + " bigserial")
      .status();
}

}  // namespace

arrow::Result<std::shared_ptr<PostgresSink>> write_postgres(const std::string& connection, const std::string& table,
                                                            std::shared_ptr<arrow::Schema> schema, const PostgresSinkOptions& options,
                                                            std::shared_ptr<base::QueryMemory> memory, KeepWaiting keep) {
  ARROW_RETURN_NOT_OK(check_options(*schema, options));
  ARROW_ASSIGN_OR_RAISE(const std::string quoted, quote_table(table));
  ARROW_ASSIGN_OR_RAISE(auto address, parse_postgres_address(connection));
  std::string name = "write postgres " + address.shown + " " + table;
  ARROW_ASSIGN_OR_RAISE(auto session, PostgresSession::open(std::move(address), std::move(keep)));
  ARROW_RETURN_NOT_OK(session->execute("begin").status());
  ARROW_RETURN_NOT_OK(ready_table(*session, quoted, options.mode, *schema));
  ARROW_ASSIGN_OR_RAISE(auto encoder, encoder_for(*session, quoted, *schema));
  const bool upsert = options.mode == PostgresMode::kUpsert;
  if (upsert) ARROW_RETURN_NOT_OK(stage_rows(*session, quoted, *schema));
  ARROW_RETURN_NOT_OK(session->begin_copy_in(copy_statement(upsert ? kStaging : quoted, *schema)));
  ARROW_RETURN_NOT_OK(session->put(RowEncoder::header()));
  return std::make_shared<Sink>(std::move(session), quoted, std::move(schema), options, std::move(encoder), std::move(name));
}

}  // namespace gristmill::io
