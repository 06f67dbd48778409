// gristmill/connect.h over a session.
//
// After an error nothing but rollback is possible, as the server has it: the transaction says so instead of sending more.

#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/connect.h"
#include "io/connect/postgres_session.h"
#include "io/connect/postgres_table.h"

namespace gristmill {

struct PostgresTransaction::State {
  std::unique_ptr<io::PostgresSession> session;
  bool commit_sent = false;
  bool over = false;    // committed or undone
  bool failed = false;  // an error; nothing but rollback is left

  // Of the COPY that is open.
  std::optional<io::RowEncoder> encoder;
  std::shared_ptr<arrow::Schema> schema;
  int64_t rows = 0;
  std::string bytes;

  arrow::Status usable(bool in_copy = false) const {
    if (over) return base::plan_error("the PostgreSQL transaction has ended", "open another one");
    if (failed) return base::plan_error("the PostgreSQL transaction has failed", "roll it back and open another one");
    if (encoder.has_value() != in_copy)
      return base::plan_error(in_copy ? "no COPY is open" : "a COPY is open", "begin_copy() and end_copy() enclose write()");
    return arrow::Status::OK();
  }
  arrow::Status note(arrow::Status status) {
    if (!status.ok()) failed = true;
    return status;
  }
  arrow::Status write(const arrow::RecordBatch& batch);
  arrow::Status send(size_t at_least);
};

namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

arrow::Status no_names(const arrow::Schema& have, const arrow::Schema& want) {
  return base::plan_error("a batch of a COPY has other columns than its begin: " + have.ToString() + " instead of " + want.ToString());
}

}  // namespace

PostgresTransaction::PostgresTransaction(std::unique_ptr<State> state) : state_(std::move(state)) {}
PostgresTransaction::~PostgresTransaction() = default;
PostgresTransaction::PostgresTransaction(PostgresTransaction&&) noexcept = default;
PostgresTransaction& PostgresTransaction::operator=(PostgresTransaction&&) noexcept = default;

arrow::Result<PostgresTransaction> PostgresTransaction::open(const std::string& connection, std::function<arrow::Status()> keep_waiting) {
  ARROW_ASSIGN_OR_RAISE(auto address, io::parse_postgres_address(connection));
  auto state = std::make_unique<State>();
  ARROW_ASSIGN_OR_RAISE(state->session, io::PostgresSession::open(std::move(address), std::move(keep_waiting)));
  ARROW_RETURN_NOT_OK(state->session->execute("begin").status());
  return PostgresTransaction(std::move(state));
}

arrow::Result<PostgresRows> PostgresTransaction::execute(const std::string& sql,
                                                         const std::vector<std::optional<std::string>>& parameters) {
  ARROW_RETURN_NOT_OK(state_->usable());
  auto answer = state_->session->execute(sql, parameters);
  ARROW_RETURN_NOT_OK(state_->note(answer.status()));
  if (!state_->session->in_transaction()) {
    state_->over = state_->commit_sent = true;
    return base::plan_error("a statement has ended the PostgreSQL transaction", "use commit() or rollback()");
  }
  PostgresRows out;
  out.affected = answer->affected;
  for (const io::PostgresColumn& c : answer->columns) out.columns.push_back(c.name);
  out.rows = std::move(answer->rows);
  return out;
}

arrow::Status PostgresTransaction::lock(int64_t key) { return execute("select pg_advisory_xact_lock($1)", {std::to_string(key)}).status(); }

arrow::Status PostgresTransaction::lock(std::string_view name) {
  return execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", {std::string(name)}).status();
}

arrow::Result<bool> PostgresTransaction::try_lock(int64_t key) {
  ARROW_ASSIGN_OR_RAISE(const auto out, execute("select pg_try_advisory_xact_lock($1)", {std::to_string(key)}));
  return out.rows[0][0] == "t";
}

arrow::Result<bool> PostgresTransaction::try_lock(std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(const auto out, execute("select pg_try_advisory_xact_lock(hashtextextended($1, 0))", {std::string(name)}));
  return out.rows[0][0] == "t";
}

arrow::Status PostgresTransaction::begin_copy(const std::string& table, const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_RETURN_NOT_OK(state_->usable());
  if (schema->num_fields() == 0) return base::plan_error("a COPY needs at least one column");
  ARROW_ASSIGN_OR_RAISE(const std::string quoted, io::quote_table(table));
  auto encoder = io::encoder_for(*state_->session, quoted, *schema);
  if (!encoder.ok()) {
    state_->failed = state_->session->in_failed_transaction();
    return encoder.status();
  }
  ARROW_RETURN_NOT_OK(state_->note(state_->session->begin_copy_in(io::copy_statement(quoted, *schema))));
  state_->encoder = std::move(*encoder);
  state_->schema = schema;
  state_->rows = 0;
  state_->bytes = io::RowEncoder::header();
  return arrow::Status::OK();
}

arrow::Status PostgresTransaction::State::send(size_t at_least) {
  if (bytes.size() < at_least) return arrow::Status::OK();
  const arrow::Status status = session->put(bytes);
  bytes.clear();
  return status;
}

arrow::Status PostgresTransaction::State::write(const arrow::RecordBatch& batch) {
  if (!batch.schema()->Equals(*schema, /*check_metadata=*/false)) return no_names(*batch.schema(), *schema);
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(auto imported, column::import_batch(batch, pool));
  ARROW_ASSIGN_OR_RAISE(const auto flat, io::RowEncoder::flatten(std::move(imported), pool));
  for (int64_t first = 0, done = 0; first < flat.rows; first += done) {
    const arrow::Status status = encoder->append(flat, first, kPieceBytes, bytes, done);
    rows += done;
    if (!status.ok()) {
      const auto detail = base::error_detail(status);
      if (detail == nullptr) return status;
      base::ErrorDetail placed = *detail;
      placed.row = rows;
      placed.batch_row = -1;
      return base::with_detail(status, placed);
    }
    ARROW_RETURN_NOT_OK(send(kPieceBytes));
  }
  return arrow::Status::OK();
}

arrow::Status PostgresTransaction::write(const arrow::RecordBatch& batch) {
  ARROW_RETURN_NOT_OK(state_->usable(/*in_copy=*/true));
  arrow::Status status = state_->note(state_->write(batch));
  if (status.ok()) return status;
  if (state_->session->copying_in()) {  // rows before this one may hold what the server refuses
    const arrow::Status sent = state_->send(0);
    const arrow::Status earlier = state_->session->refuse_copy_in();
    if (sent.ok() && !earlier.ok()) status = earlier;
  }
  state_->encoder.reset();
  return status;
}

arrow::Result<int64_t> PostgresTransaction::end_copy() {
  ARROW_RETURN_NOT_OK(state_->usable(/*in_copy=*/true));
  state_->bytes += io::RowEncoder::trailer();
  state_->encoder.reset();
  ARROW_RETURN_NOT_OK(state_->note(state_->send(0)));
  const auto rows = state_->session->end_copy_in();
  ARROW_RETURN_NOT_OK(state_->note(rows.status()));
  return rows;
}

arrow::Result<int64_t> PostgresTransaction::copy(const std::string& table, const arrow::RecordBatchVector& batches) {
  if (batches.empty()) return 0;
  ARROW_RETURN_NOT_OK(begin_copy(table, batches[0]->schema()));
  for (const auto& b : batches) ARROW_RETURN_NOT_OK(write(*b));
  return end_copy();
}

arrow::Result<int64_t> PostgresTransaction::copy(const std::string& table, arrow::RecordBatchReader& batches) {
  ARROW_RETURN_NOT_OK(begin_copy(table, batches.schema()));
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    const arrow::Status read = batches.ReadNext(&batch);
    if (!read.ok()) {
      state_->failed = true;
      (void)state_->session->refuse_copy_in();
      state_->encoder.reset();
      return read;
    }
    if (batch == nullptr) return end_copy();
    ARROW_RETURN_NOT_OK(write(*batch));
  }
}

arrow::Status PostgresTransaction::commit() {
  ARROW_RETURN_NOT_OK(state_->usable());
  state_->over = true;
  bool undecided = false;
  arrow::Status status = state_->session->commit(&undecided);
  state_->commit_sent = status.ok() || undecided;
  state_->session->close();
  return status;
}

arrow::Status PostgresTransaction::rollback() {
  if (state_->over) return arrow::Status::OK();
  state_->over = true;
  if (state_->session->copying_in()) (void)state_->session->refuse_copy_in();
  (void)state_->session->execute("rollback");  // waits, so that locks are free afterwards; a server that is gone has undone it already
  state_->session->close();
  return arrow::Status::OK();
}

bool PostgresTransaction::retry_safe() const { return !state_->commit_sent; }
std::string PostgresTransaction::server_version() const {
  return state_->over ? std::string{} : state_->session->parameter("server_version");
}
std::string PostgresTransaction::sqlstate(const arrow::Status& error) { return io::sqlstate_of(error); }

}  // namespace gristmill
