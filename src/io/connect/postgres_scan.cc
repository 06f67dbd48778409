// Planning a query of the server; chunks handed out as morsels and decoded by the worker that took them.

#include "io/connect/postgres_scan.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>

#include <arrow/type.h>

#include "base/status.h"
#include "io/connect/postgres_decode.h"
#include "io/connect/postgres_readers.h"
#include "io/connect/wire.h"
#include "io/json.h"
#include "io/transfer.h"

namespace gristmill::io {
namespace {

constexpr size_t kShownQuery = 60;

// Bytes of the first `rows` rows.
int64_t bytes_of_rows(const arrow::Buffer& bytes, int64_t rows, size_t columns) {
  const char* data = reinterpret_cast<const char*>(bytes.data());
  int64_t p = 0;
  for (int64_t r = 0; r < rows; ++r) {
    p += 2;
    for (size_t c = 0; c < columns; ++c) p += 4 + std::max(0, read_i32(data + p));
  }
  return p;
}

class PostgresScan final : public plan::Scan {
 public:
  PostgresScan(PostgresReading reading, std::vector<DecodeColumn> columns, const plan::ScanRequest& request)
      : request_(request), columns_(std::move(columns)), by_ranges_(!reading.key.empty()), readers_(std::move(reading)) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }

  int64_t num_morsels() const override { return -1; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }
  std::string detail() const override { return by_ranges_ ? std::to_string(readers_.ranges()) + " ranges" : std::string{}; }

  arrow::Result<Next> next(uint64_t seq) override {
    ARROW_RETURN_NOT_OK(request_.cancel.check());
    ARROW_ASSIGN_OR_RAISE(auto taken, readers_.take());
    if (taken.end || taken.wait) return Next{taken.end, std::move(taken.wait)};
    std::lock_guard lock(mutex_);
    chunks_.emplace(seq, std::move(taken.chunk));
    return Next{};
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    CopiedChunk chunk;
    {
      std::lock_guard lock(mutex_);
      auto node = chunks_.extract(seq);
      if (node.empty()) return base::internal_error("morsel " + std::to_string(seq) + " of a PostgreSQL query was not made");
      chunk = std::move(node.mapped());
    }
    count_transfer(chunk.bytes->size());
    auto decoded = decode(chunk.bytes, chunk.rows);
    if (decoded.ok()) return emit_all(std::move(*decoded), chunk, emit, counts);
    const auto detail = base::error_detail(decoded.status());
    if (detail == nullptr || detail->batch_row < 0) return decoded.status();
    const int64_t row = detail->batch_row;  // the rows before it go on first
    if (row > 0) {
      ARROW_ASSIGN_OR_RAISE(auto before,
                            decode(arrow::SliceBuffer(chunk.bytes, 0, bytes_of_rows(*chunk.bytes, row, columns_.size())), row));
      ARROW_RETURN_NOT_OK(emit_all(std::move(before), chunk, emit, counts));
    }
    base::ErrorDetail placed = *detail;
    placed.batch_row = -1;
    placed.row = chunk.first_row + row;
    const std::string range = by_ranges_ ? readers_.range_text(chunk.range) : std::string{};
    const arrow::Status said =
        range.empty() ? decoded.status() : decoded.status().WithMessage(decoded.status().message(), ", rows counted where ", range);
    return base::with_detail(said, placed);
  }

 private:
  arrow::Result<column::Batch> decode(const std::shared_ptr<arrow::Buffer>& bytes, int64_t rows) {
    return decode_copied(bytes, rows, columns_, !readers_.server_checks_text(), request_.memory->pool());
  }

  arrow::Status emit_all(column::Batch whole, const CopiedChunk& chunk, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    whole.origin.first_row = chunk.first_row;
    for (int64_t first = 0; first < whole.rows; first += batch_rows_) {
      const int64_t n = std::min(batch_rows_, whole.rows - first);
      counts.rows += n;
      ARROW_RETURN_NOT_OK(emit(whole.rows <= batch_rows_ ? whole : column::slice(whole, first, n)));
    }
    return arrow::Status::OK();
  }

  const plan::ScanRequest request_;
  const std::vector<DecodeColumn> columns_;
  const bool by_ranges_;
  int64_t batch_rows_ = 0;
  PostgresReaders readers_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, CopiedChunk> chunks_;
};

struct PlannedQuery {
  PostgresAddress address;
  std::string query;
  PostgresScanOptions options;
  std::vector<PostgresColumn> columns;
  std::vector<PostgresType> types;
  std::shared_ptr<arrow::Schema> schema;
  int key = -1;  // partition_on
  int64_t rows = -1;
};

class PostgresSource final : public plan::TableSource {
 public:
  explicit PostgresSource(PlannedQuery q) : q_(std::move(q)) {}

  std::string kind() const override { return "postgres"; }
  std::string name() const override {
    std::string shown = q_.query;
    std::replace_if(shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20; }, ' ');
    if (shown.size() > kShownQuery) {
      size_t end = kShownQuery;
      while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
      shown = shown.substr(0, end) + "...";
    }
    return q_.address.shown + ": " + shown;
  }
  std::shared_ptr<arrow::Schema> schema() const override { return q_.schema; }
  plan::TableEstimate estimate() const override {
    return {q_.rows >= 0 ? std::optional<int64_t>(q_.rows) : std::nullopt, false, std::nullopt};
  }

  std::string to_json() const override {
    JsonWriter json;
    json.add("address", q_.address.redacted);
    json.add("query", q_.query);
    json.add("partition_on", q_.options.partition_on);
    json.add("partitions", static_cast<int64_t>(q_.options.partitions));
    json.add("unbounded_numeric", q_.options.unbounded_numeric);
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    PostgresReading reading;
    reading.address = q_.address;
    reading.query = q_.query;
    reading.columns = q_.columns;
    if (request.predicate == nullptr && request.runtime_filters.empty() && request.limit) reading.limit = *request.limit;
    std::vector<DecodeColumn> columns;
    for (const int c : request.columns) {
      const auto i = static_cast<size_t>(c);
      reading.selected += (reading.selected.empty() ? "" : ", ") + quote_identifier(q_.columns[i].name);
      columns.push_back({q_.columns[i].name, q_.types[i], column::canonical_type(q_.schema->field(c)->type())});
    }
    if (q_.key >= 0) {
      reading.key = q_.options.partition_on;
      reading.key_type = q_.types[static_cast<size_t>(q_.key)];
      reading.partitions = q_.options.partitions;
    }
    if (request.morsel_rows > 0) reading.chunk_rows = std::min(request.morsel_rows, reading.chunk_rows);
    if (request.memory->limited()) {  // all readers together an eighth of the cap
      reading.bytes_ahead = std::clamp<int64_t>(request.memory->cap() / 8 / reading.partitions, 64 << 10, reading.bytes_ahead);
      reading.chunk_bytes = std::min(reading.chunk_bytes, reading.bytes_ahead);
    }
    reading.pool = request.memory->pool();
    reading.pool_owner = request.memory->pool_owner();
    reading.cancel = request.cancel;
    return std::make_shared<PostgresScan>(std::move(reading), std::move(columns), request);
  }

 private:
  const PlannedQuery q_;
};

// The query as the inside of a subquery.
std::string without_end(std::string query) {
  while (!query.empty() &&
         (query.back() == ';' || query.back() == ' ' || query.back() == '\n' || query.back() == '\t' || query.back() == '\r')) {
    query.pop_back();
  }
  return query;
}

arrow::Status plan_columns(PlannedQuery& q, PostgresSession& session) {
  if (q.columns.empty()) return base::plan_error("the PostgreSQL query gives no rows", "give a select, or \"table name\"");
  ARROW_ASSIGN_OR_RAISE(q.types, resolve_types(session, q.columns));
  const auto numeric = q.options.unbounded_numeric == "text" ? UnboundedNumeric::kText : UnboundedNumeric::kFloat64;
  arrow::FieldVector fields;
  std::set<std::string> names;
  for (size_t i = 0; i < q.columns.size(); ++i) {
    const std::string& name = q.columns[i].name;
    if (!names.insert(name).second)
      return base::plan_error("two columns of the PostgreSQL query are named \"" + name + "\"", "name one with as");
    ARROW_ASSIGN_OR_RAISE(auto type, arrow_type_of(q.types[i], name, numeric));
    fields.push_back(arrow::field(name, std::move(type)));
  }
  q.schema = arrow::schema(std::move(fields));
  if (q.options.partition_on.empty()) return arrow::Status::OK();
  q.key = q.schema->GetFieldIndex(q.options.partition_on);
  if (q.key < 0) {
    return base::plan_error("the PostgreSQL query has no column \"" + q.options.partition_on + "\" to cut by",
                            base::suggest_name(q.options.partition_on, q.schema->field_names()));
  }
  return check_range_key(q.types[static_cast<size_t>(q.key)], q.options.partition_on);
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_postgres(const std::string& connection, std::string query, PostgresScanOptions options,
                                                  KeepWaiting keep) {
  if (options.partitions < 1 || options.partitions > 64) return base::plan_error("partitions must lie between 1 and 64");
  if (options.unbounded_numeric != "text" && options.unbounded_numeric != "float64") {
    return base::plan_error("unbounded_numeric is \"text\" or \"float64\", not \"" + options.unbounded_numeric + "\"");
  }
  PlannedQuery q;
  q.query = without_end(std::move(query));
  if (q.query.empty()) return base::plan_error("the PostgreSQL query is empty");
  q.options = std::move(options);
  ARROW_ASSIGN_OR_RAISE(q.address, parse_postgres_address(connection));
  ARROW_ASSIGN_OR_RAISE(const auto session, PostgresSession::open(q.address, std::move(keep)));
  ARROW_ASSIGN_OR_RAISE(q.columns, session->describe(q.query));
  ARROW_RETURN_NOT_OK(plan_columns(q, *session));
  q.rows = estimated_rows(*session, q.query);
  return std::make_shared<PostgresSource>(std::move(q));
}

}  // namespace gristmill::io
