// The Parquet table source and its scan.
//
// Shared by all workers: footers and the list of morsels, both immutable. Per worker: one open file, the verdict on one row
// group and the cursors into it, kept from morsel to morsel because neighbouring morsels mostly follow each other.
//
// Invariant: which rows leave, and how they are cut into batches, depends on the morsel alone and not on what this
// worker read before.

#include "io/parquet_scan.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "base/status.h"
#include "column/kernels.h"
#include "expr/evaluate.h"
#include "expr/registry.h"
#include "io/json.h"
#include "io/parquet_ahead.h"
#include "io/parquet_cursor.h"
#include "io/parquet_file.h"
#include "io/parquet_pages.h"
#include "io/parquet_prune.h"
#include "plan/value_ranges.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMorselRows = 131072, kRangeMorselRows = 32768;
constexpr int64_t kAheadBytes = int64_t{256} << 20;  // of row groups fetched and not yet read
constexpr int64_t kFew = 4;                          // a batch of which at most one row in so many is left
constexpr int64_t kKnownAfter = 10'000;              // rows
constexpr double kClearlyLess = 1.5;
constexpr int64_t kBatchBytes = int64_t{1} << 20, kLeastBatchRows = 8192;

using FilePtr = std::shared_ptr<const ParquetFile>;

// What one file's part in the table is: column i of the source is column `columns[i]` of the file.
struct ParquetInput {
  FilePtr file;
  std::vector<int> columns;
};

struct Piece {
  int32_t input = 0;
  int32_t group = 0;
  int64_t first = 0;  // row within the row group
  int64_t rows = 0;
  size_t ordinal = 0;  // of the row group among all
};

// One conjunct of the predicate and the output columns it reads.
struct Conjunct {
  expr::BoundPtr predicate;
  std::vector<int> inputs;
};

void collect_inputs(const expr::Bound& e, std::vector<int>& inputs) {
  if (e.kind == expr::BoundKind::kInput && std::find(inputs.begin(), inputs.end(), e.input) == inputs.end()) inputs.push_back(e.input);
  for (const auto& a : e.args) collect_inputs(*a, inputs);
}

void collect_conjuncts(const expr::BoundPtr& e, std::vector<Conjunct>& out) {
  if (e->kind == expr::BoundKind::kCall && e->function != nullptr && e->function->name == "and") {
    for (const auto& a : e->args) collect_conjuncts(a, out);
    return;
  }
  Conjunct c{e, {}};
  collect_inputs(*e, c.inputs);
  out.push_back(std::move(c));
}

// How many of the rows a worker looked at passed.
struct PassRate {
  int64_t seen = 0, passed = 0;
  double part() const { return seen < kKnownAfter ? 1.0 : static_cast<double>(passed) / static_cast<double>(seen); }
};

class ParquetLocal final : public plan::ScanLocal {
 public:
  explicit ParquetLocal(arrow::MemoryPool* pool) : evaluator(pool) {}

  expr::Evaluator evaluator;
  // Before the cursors: they refer to the reader.
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::unique_ptr<StoredPages> stored;
  std::shared_ptr<RemoteFile> remote;  // what it reads, when that lies behind a network
  int32_t input = -1;
  int32_t group = -1;
  GroupVerdict verdict = GroupVerdict::kMayMatch;
  std::vector<std::unique_ptr<ParquetCursor>> cursors;  // one per output column
  int64_t at = 0;                                       // row the cursors stand at
  PassRate by_predicate, by_filters;

  void forget_group() {
    cursors.clear();
    if (remote != nullptr) remote->set_ranges(nullptr);
    group = -1;
  }
};

class ParquetScan final : public plan::Scan {
 public:
  ParquetScan(std::vector<ParquetInput> inputs, const plan::ScanRequest& request, ParquetReadOptions options)
      : inputs_(std::move(inputs)), request_(request), options_(options), pool_(request_.memory->pool()) {
    batch_rows_ = request.batch_rows > 0    ? std::min(request.batch_rows, column::kMaxBatchRows)
                  : request.columns.empty() ? column::kMaxBatchRows
                                            : rows_in_cache();
    if (request.predicate != nullptr) collect_conjuncts(request.predicate, conjuncts_);
    for (const Conjunct& c : conjuncts_) fallible_ = fallible_ || c.predicate->fallible;
    cut_all(kMorselRows);
  }

  // Where workers take turns instead, both halves of a page would be decoded by two.
  void expect_ranges() override {
    if (request_.workers > 1 && request_.morsel_rows == 0) cut_all(kRangeMorselRows);
  }

  arrow::Status make_placeholders(const arrow::Schema& schema) {
    for (const int c : request_.columns) {
      ARROW_ASSIGN_OR_RAISE(auto null, column::null_column(column::canonical_type(schema.field(c)->type()), pool_));
      placeholders_.push_back(std::move(null));
    }
    return arrow::Status::OK();
  }

  int64_t num_morsels() const override { return static_cast<int64_t>(pieces_.size()); }
  bool filters_exactly() const override { return true; }
  bool numbers_rows() const override { return inputs_.size() == 1; }
  std::string file_of(int32_t input) const override { return inputs_[input].file->path; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<ParquetLocal>(pool_); }

  std::string detail() const override {
    const auto part = [](const char* what, const std::atomic<int64_t>& n) {
      return n ? ", " + std::to_string(n) + " by " + what : std::string();
    };
    const int64_t pruned = by_statistics_ + by_bloom_ + by_filter_;
    if (conjuncts_.empty() && request_.runtime_filters.empty()) return "row groups " + std::to_string(groups_);
    return "row groups " + std::to_string(groups_ - pruned) + " of " + std::to_string(groups_) + (pruned ? " (left out" : "") +
           part("statistics", by_statistics_) + part("Bloom filters", by_bloom_) + part("runtime filters", by_filter_) +
           (pruned ? ")" : "");
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    auto& local = static_cast<ParquetLocal&>(scan_local);
    const Piece& piece = pieces_[seq];
    const arrow::Status status = read_piece(piece, local, emit, counts);
    if (!status.ok()) local.forget_group();  // the cursors may stand anywhere
    if (ahead_ != nullptr) ahead_->done(piece.ordinal);
    return status;
  }

 private:
  // What a batch's operators compute of its columns shall find room beside them in the second cache.
  int64_t rows_in_cache() const {
    int64_t width = 0;
    for (const int c : request_.columns) {
      const ParquetFile& file = *inputs_[0].file;
      width += column::byte_width(column::physical_unchecked(*file.columns[static_cast<size_t>(inputs_[0].columns[c])].inside));
    }
    int64_t rows = column::kDefaultBatchRows;
    while (rows > kLeastBatchRows && rows * width > kBatchBytes) rows /= 2;
    return rows;
  }

  void cut_all(int64_t morsel_rows) {
    pieces_.clear();
    ahead_pieces_.clear();
    groups_ = 0;
    for (size_t i = 0; i < inputs_.size(); ++i) cut(static_cast<int32_t>(i), morsel_rows);
    if (request_.limit.has_value() && conjuncts_.empty() && request_.runtime_filters.empty()) keep_first(*request_.limit);
    plan_ahead();
  }

  void cut(int32_t input, int64_t morsel_rows) {
    const ParquetFile& file = *inputs_[input].file;
    bool cheap = true;
    for (const int c : request_.columns) cheap = cheap && options_.own_decoder && file.columns[inputs_[input].columns[c]].direct;
    for (int32_t g = 0; g + 1 < static_cast<int32_t>(file.group_first.size()); ++g) {
      const int64_t rows = file.group_first[g + 1] - file.group_first[g];
      if (rows == 0) continue;
      ++groups_;
      int64_t size = request_.morsel_rows > 0 ? request_.morsel_rows : morsel_rows;
      if (request_.morsel_rows == 0 && (!cheap || rows < 2 * morsel_rows)) size = rows;
      for (int64_t first = 0; first < rows; first += size)
        pieces_.push_back({input, g, first, std::min(size, rows - first), static_cast<size_t>(groups_ - 1)});
    }
  }

  // Every row passes, so the morsels that hold the first `rows` rows are enough.
  void keep_first(int64_t rows) {
    size_t kept = 0;
    for (int64_t seen = 0; kept < pieces_.size() && seen < rows; ++kept) seen += pieces_[kept].rows;
    pieces_.resize(kept);
  }

  arrow::Status read_piece(const Piece& piece, ParquetLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    const ParquetFile& file = *inputs_[piece.input].file;
    if (request_.columns.empty() && conjuncts_.empty() && request_.runtime_filters.empty()) return count_only(piece, emit, counts);
    ARROW_RETURN_NOT_OK(seek(piece, local));
    if (local.verdict != GroupVerdict::kMayMatch) {
      counts.rows += piece.rows;
      counts.skipped += piece.rows;
      if (piece.first == 0) count_pruned(local.verdict);  // once a row group
      return arrow::Status::OK();
    }
    const int64_t group_first = file.group_first[piece.group];
    for (int64_t done = 0; done < piece.rows;) {
      ARROW_RETURN_NOT_OK(request_.cancel.check());
      column::Batch batch;
      batch.rows = std::min(batch_rows_, piece.rows - done);
      batch.origin.input = piece.input;
      batch.origin.first_row = group_first + piece.first + done;
      const int64_t rows = batch.rows;
      ARROW_RETURN_NOT_OK(fill(local, batch));
      done += rows;
      local.at += rows;
      const int64_t left = batch.selected();
      counts.rows += rows;
      counts.filtered += rows - left;
      if (left > 0) ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    }
    return arrow::Status::OK();
  }

  arrow::Status count_only(const Piece& piece, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    for (int64_t done = 0; done < piece.rows;) {
      column::Batch batch;
      batch.rows = std::min(batch_rows_, piece.rows - done);
      batch.origin.input = piece.input;
      batch.origin.first_row = inputs_[piece.input].file->group_first[piece.group] + piece.first + done;
      done += batch.rows;
      counts.rows += batch.rows;
      ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    }
    return arrow::Status::OK();
  }

  // Decodes the next batch.rows rows as far as they are needed. Once few are left, the batch becomes those: of the other columns only
  // their values are decoded.
  arrow::Status fill(ParquetLocal& local, column::Batch& batch) {
    const int64_t rows = batch.rows;
    batch.columns = placeholders_;
    std::vector<bool> decoded(batch.columns.size(), false);
    column::Selection few;  // of all rows, the batch's; all: it has not become them
    const auto decode = [&](int i) -> arrow::Status {
      if (decoded[i]) return arrow::Status::OK();
      decoded[i] = true;
      ARROW_ASSIGN_OR_RAISE(batch.columns[i], local.cursors[i]->read(rows, few.all() ? nullptr : &few.mask(rows)));
      if (few.all()) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(batch.columns[i], column::take(batch.columns[i], few.indices(rows), pool_));
      return arrow::Status::OK();
    };
    const auto become_few = [&]() -> arrow::Status {
      if (!few.all() || batch.selection.all() || batch.selected() * kFew > rows) return arrow::Status::OK();
      if (std::find(decoded.begin(), decoded.end(), false) == decoded.end()) return arrow::Status::OK();
      few = batch.selection;
      ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), pool_, /*keep_origin=*/true));
      return arrow::Status::OK();
    };
    bool some = true;
    const auto narrow = [&](const column::Mask& keep, PassRate& rate) {
      rate.seen += batch.selected();
      batch.selection = batch.selection.intersect(keep);
      rate.passed += batch.selected();
      some = !batch.selection.empty(batch.rows);
    };
    const auto by_predicate = [&]() -> arrow::Status {
      for (const Conjunct& c : conjuncts_) {
        if (!some) break;
        if (!fallible_) ARROW_RETURN_NOT_OK(become_few());
        for (const int i : c.inputs) ARROW_RETURN_NOT_OK(decode(i));
        ARROW_ASSIGN_OR_RAISE(const column::Mask keep, local.evaluator.mask(*c.predicate, batch));
        narrow(keep, local.by_predicate);
      }
      return arrow::Status::OK();
    };
    const auto by_filters = [&]() -> arrow::Status {
      for (const auto& [input, filter] : request_.runtime_filters) {
        if (!some || !filter->ready()) continue;
        ARROW_RETURN_NOT_OK(become_few());
        ARROW_RETURN_NOT_OK(decode(input));
        column::Mask keep = batch.selection.mask(batch.rows);
        filter->narrow(batch.columns[input], batch.rows, keep);
        narrow(keep, local.by_filters);
      }
      return arrow::Status::OK();
    };
    // What drops more goes first; which of them does changes nothing but the time taken, unless a row fails.
    const bool filters_first = !fallible_ && local.by_filters.part() * kClearlyLess < local.by_predicate.part();
    ARROW_RETURN_NOT_OK(filters_first ? by_filters() : by_predicate());
    ARROW_RETURN_NOT_OK(filters_first ? by_predicate() : by_filters());
    if (some) ARROW_RETURN_NOT_OK(become_few());
    for (size_t i = 0; i < decoded.size(); ++i) {
      if (some) {
        ARROW_RETURN_NOT_OK(decode(static_cast<int>(i)));
      } else if (!decoded[i]) {
        local.cursors[i]->skip(rows);
      }
    }
    return arrow::Status::OK();
  }

  // Puts the local's cursors at the first row of the piece, reopening only what another piece left elsewhere.
  arrow::Status seek(const Piece& piece, ParquetLocal& local) {
    const ParquetFile& file = *inputs_[piece.input].file;
    if (local.input != piece.input) {
      local.forget_group();
      local.input = -1;
      ARROW_ASSIGN_OR_RAISE(const auto in, file.input->open(pool_));
      local.remote = std::dynamic_pointer_cast<RemoteFile>(in);
      ARROW_ASSIGN_OR_RAISE(local.reader, open_parquet(file, in, pool_, batch_rows_));
      local.stored = std::make_unique<StoredPages>(file, in, pool_);
      local.input = piece.input;
    }
    const bool same_group = local.group == piece.group;
    if (!same_group) {
      local.forget_group();
      ARROW_RETURN_NOT_OK(judge(piece, local));
      local.group = piece.group;
    }
    if (local.verdict != GroupVerdict::kMayMatch) return arrow::Status::OK();
    if (!same_group || local.at > piece.first) {
      local.cursors.clear();
      if (ahead_ != nullptr && local.remote != nullptr) {
        ARROW_ASSIGN_OR_RAISE(auto ranges, ahead_->take(piece.ordinal));
        local.remote->set_ranges(std::move(ranges));
      }
      for (const int c : file_columns(piece.input)) {
        ARROW_ASSIGN_OR_RAISE(auto cursor, make_cursor(file, c, piece.group, local));
        local.cursors.push_back(std::move(cursor));
      }
      local.at = 0;
    }
    for (auto& cursor : local.cursors) cursor->skip(piece.first - local.at);
    local.at = piece.first;
    return arrow::Status::OK();
  }

  arrow::Status judge(const Piece& piece, ParquetLocal& local) {
    local.verdict = GroupVerdict::kMayMatch;
    if (!options_.prune) return arrow::Status::OK();
    const auto columns = file_columns(piece.input);
    ARROW_ASSIGN_OR_RAISE(local.verdict,
                          judge_group(*inputs_[piece.input].file, piece.group, columns, request_, local.reader->parquet_reader()));
    return arrow::Status::OK();
  }

  // Only scans of remote files fetch ahead.
  void plan_ahead() {
    std::vector<ParquetAhead::Group> groups;
    bool remote = false;
    for (const Piece& p : pieces_) {
      if (p.ordinal < groups.size()) {
        ++groups.back().pieces;
        continue;
      }
      const ParquetFile& file = *inputs_[p.input].file;
      ParquetAhead::Group g{&file, std::dynamic_pointer_cast<const RemoteInput>(file.input), p.group, {}, 1};
      for (const int c : file_columns(p.input))
        g.leaves.insert(g.leaves.end(), file.columns[c].leaves.begin(), file.columns[c].leaves.end());
      remote = remote || g.input != nullptr;
      groups.push_back(std::move(g));
      ahead_pieces_.push_back(&p);
    }
    if (!remote) return;
    const int64_t most = request_.memory->limited() ? std::min(kAheadBytes, request_.memory->cap() / 4) : kAheadBytes;
    ahead_ = std::make_unique<ParquetAhead>(std::move(groups), most, pool_, [this](size_t index) {
      const Piece& p = *ahead_pieces_[index];
      const auto verdict =
          options_.prune ? judge_group(*inputs_[p.input].file, p.group, file_columns(p.input), request_, nullptr) : GroupVerdict::kMayMatch;
      return !verdict.ok() || *verdict == GroupVerdict::kMayMatch;
    });
  }

  void count_pruned(GroupVerdict verdict) {
    if (verdict == GroupVerdict::kByStatistics) ++by_statistics_;
    if (verdict == GroupVerdict::kByBloom) ++by_bloom_;
    if (verdict == GroupVerdict::kByRuntimeFilter) ++by_filter_;
  }

  std::vector<int> file_columns(int32_t input) const {
    std::vector<int> out;
    for (const int c : request_.columns) out.push_back(inputs_[input].columns[c]);
    return out;
  }

  arrow::Result<std::unique_ptr<ParquetCursor>> make_cursor(const ParquetFile& file, int column, int group, ParquetLocal& local) {
    const ParquetColumn& c = file.columns[column];
    if (!options_.own_decoder || !c.direct) return arrow_cursor(file, column, group, *local.reader, pool_);
    return guard_parquet(file.path, c.field->name(), [&]() -> arrow::Result<std::unique_ptr<ParquetCursor>> {
      return page_cursor(file, column, group, {*local.reader, *local.stored}, pool_);
    });
  }

  const std::vector<ParquetInput> inputs_;
  const plan::ScanRequest request_;
  const ParquetReadOptions options_;
  arrow::MemoryPool* const pool_;
  int64_t batch_rows_ = 0;
  int64_t groups_ = 0;
  std::vector<Piece> pieces_;
  std::vector<const Piece*> ahead_pieces_;  // the first of each row group
  std::unique_ptr<ParquetAhead> ahead_;     // null: all files are local
  std::vector<Conjunct> conjuncts_;
  bool fallible_ = false;                     // some conjunct: its errors are told by the rows as they are read
  std::vector<column::Column> placeholders_;  // constant nulls where a column is not decoded
  std::atomic<int64_t> by_statistics_{0}, by_bloom_{0}, by_filter_{0};
};

class ParquetSource final : public plan::TableSource, public plan::ValueRanges {
 public:
  ParquetSource(std::vector<std::string> patterns, std::vector<ParquetInput> inputs, std::shared_ptr<arrow::Schema> schema,
                ParquetReadOptions options)
      : patterns_(std::move(patterns)), inputs_(std::move(inputs)), schema_(std::move(schema)), options_(options) {
    for (const ParquetInput& i : inputs_) {
      rows_ += i.file->rows();
      bytes_ += i.file->input->stamp().bytes;
    }
  }

  std::string kind() const override { return "parquet"; }
  std::string name() const override { return files_text(patterns_, inputs_.size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {rows_, true, bytes_}; }

  // Kept once asked for: planning asks again and again.
  std::optional<std::pair<double, double>> value_range(int field) const override {
    const std::lock_guard lock(ranges_mutex_);
    const auto known = ranges_.find(field);
    if (known != ranges_.end()) return known->second;
    std::optional<std::pair<double, double>> all;
    for (const ParquetInput& i : inputs_) {
      const int column = i.columns[static_cast<size_t>(field)];
      const auto one = column < 0 ? std::nullopt : parquet_value_range(*i.file, column);
      if (!one) {
        all.reset();
        break;
      }
      all = all ? std::pair{std::min(all->first, one->first), std::max(all->second, one->second)} : *one;
    }
    ranges_.emplace(field, all);
    return all;
  }

  std::string to_json() const override {
    JsonWriter json;
    std::vector<std::string> paths;
    for (const ParquetInput& i : inputs_) paths.push_back(i.file->path);
    json.add("paths", paths);
    if (!options_.prune) json.add("prune", false);
    if (!options_.own_decoder) json.add("own_decoder", false);
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    auto scan = std::make_shared<ParquetScan>(inputs_, request, options_);
    ARROW_RETURN_NOT_OK(scan->make_placeholders(*schema_));
    return scan;
  }

 private:
  const std::vector<std::string> patterns_;
  const std::vector<ParquetInput> inputs_;
  const std::shared_ptr<arrow::Schema> schema_;
  const ParquetReadOptions options_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  mutable std::mutex ranges_mutex_;
  mutable std::map<int, std::optional<std::pair<double, double>>> ranges_;
};

arrow::Status mixed(const std::string& path, const std::string& column, const std::string& message) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kIo;
  d.file = path;
  d.column = column;
  d.hint = "schema_evolution=\"union\" takes the columns of all files, \"first\" those of the first";
  return base::with_detail(base::io_error(message), d);
}

// Maps the first file's columns to those of `file`.
arrow::Result<ParquetInput> align(const ParquetFile& first, FilePtr file) {
  ParquetInput input{file, {}};
  for (const ParquetColumn& wanted : first.columns) {
    const std::string& name = wanted.field->name();
    const auto found =
        std::find_if(file->columns.begin(), file->columns.end(), [&](const ParquetColumn& c) { return c.field->name() == name; });
    if (found == file->columns.end()) {
      return mixed(file->path, name, "mixed schemas: " + file->path + " has no column \"" + name + "\", which " + first.path + " has");
    }
    if (!found->inside->Equals(*wanted.inside)) {
      return mixed(file->path, name,
                   "mixed schemas: column \"" + name + "\" is " + found->field->type()->ToString() + " in " + file->path + " and " +
                       wanted.field->type()->ToString() + " in " + first.path);
    }
    input.columns.push_back(static_cast<int>(found - file->columns.begin()));
  }
  for (const ParquetColumn& c : file->columns) {
    const auto& name = c.field->name();
    if (std::none_of(first.columns.begin(), first.columns.end(), [&](const ParquetColumn& w) { return w.field->name() == name; })) {
      return mixed(file->path, name, "mixed schemas: " + file->path + " has a column \"" + name + "\", which " + first.path + " has not");
    }
  }
  return input;
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_parquet(const std::vector<std::string>& patterns, ParquetReadOptions options) {
  ARROW_ASSIGN_OR_RAISE(const auto paths, expand_files(patterns, {".parquet", ".parq", ".pq"}, options.storage));
  std::vector<ParquetInput> inputs;
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(const InputPtr found, find_input(path, options.storage));
    ARROW_ASSIGN_OR_RAISE(FilePtr file, read_footer(found));
    const ParquetFile& first = inputs.empty() ? *file : *inputs[0].file;
    ARROW_ASSIGN_OR_RAISE(ParquetInput input, align(first, file));
    inputs.push_back(std::move(input));
  }
  arrow::FieldVector fields;
  for (size_t c = 0; c < inputs[0].columns.size(); ++c) {
    const auto& field = inputs[0].file->columns[c].field;
    bool nullable = false;
    for (const ParquetInput& i : inputs) nullable = nullable || i.file->columns[i.columns[c]].field->nullable();
    fields.push_back(field->WithNullable(nullable));
  }
  return std::make_shared<ParquetSource>(patterns, std::move(inputs), arrow::schema(std::move(fields)), options);
}

}  // namespace gristmill::io
