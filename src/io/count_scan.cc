// Pieces looked through by every worker, put together in order under one lock.

#include "io/count_scan.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/dispatch.h"

namespace gristmill::io {
namespace {

using column::simd::TextBorders;

constexpr int64_t kMostPiece = 512 * 1024;  // half of a usual L2 cache
constexpr size_t kMostKept = 64 * 1024;     // of the text on either side of a piece; more is read again
constexpr size_t kMostWaiting = size_t{16} << 20;

class CountLocal final : public plan::ScanLocal {
 public:
  std::shared_ptr<arrow::Buffer> buffer;
};

// What stays of a piece.
struct Piece {
  bool known = false;  // false: it must be read again
  int64_t head = 0;    // where its first record begins
  TextBorders found{};
  std::string before, after;  // up to the first record, behind the last one's end

  size_t kept() const { return before.size() + after.size(); }
};

struct Place {
  int32_t input = 0;
  int64_t from = 0, size = 0;
  bool first = false, last = false;
};

struct Counted {
  int32_t input = 0;
  int64_t first_row = 0, records = 0;
};

arrow::Status read_fully(arrow::io::RandomAccessFile& file, const std::string& path, int64_t from, int64_t size, uint8_t* to) {
  for (int64_t done = 0; done < size;) {
    const auto got = file.ReadAt(from + done, size - done, to + done);
    ARROW_RETURN_NOT_OK(reading_error(path, got.status()));
    if (*got == 0) return base::io_error("cannot read " + path + ": the file became shorter while it was read", path);
    done += *got;
  }
  std::memset(to + size, 0, column::kStoreSlack);
  return arrow::Status::OK();
}

class CountScan final : public plan::Scan {
 public:
  CountScan(std::vector<TextFile> files, BlockRules rules, const plan::ScanRequest& request)
      : files_(std::move(files)), rules_(std::move(rules)), request_(request), pool_(request.memory->pool()) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kMaxBatchRows;
    piece_bytes_ = std::clamp<int64_t>(rules_.block_bytes, 1, kMostPiece);
    opened_.resize(files_.size());
    uint64_t pieces = 0;
    for (const TextFile& f : files_) {
      first_piece_.push_back(pieces);
      const int64_t bytes = f.input->stamp().bytes;
      largest_ = std::max(largest_, std::min(bytes, piece_bytes_));
      pieces += std::max<uint64_t>(1, static_cast<uint64_t>((bytes + piece_bytes_ - 1) / piece_bytes_));
    }
    first_piece_.push_back(pieces);
  }

  // Handed out in order, so that few pieces wait for one before them.
  int64_t num_morsels() const override { return -1; }
  arrow::Result<Next> next(uint64_t seq) override {
    ARROW_RETURN_NOT_OK(request_.cancel.check());
    return Next{seq >= first_piece_.back(), nullptr};
  }
  std::string file_of(int32_t input) const override { return input < 0 || input >= std::ssize(files_) ? "" : files_[input].input->path(); }
  bool filters_exactly() const override { return true; }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    auto local = std::make_unique<CountLocal>();
    ARROW_ASSIGN_OR_RAISE(local->buffer, column::allocate_buffer(largest_ + column::kStoreSlack, pool_));
    return local;
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    ARROW_RETURN_NOT_OK(request_.cancel.check());
    const Place place = place_of(seq);
    Piece piece;
    ARROW_RETURN_NOT_OK(look_through(place, static_cast<CountLocal&>(local).buffer->mutable_data(), piece));
    std::vector<Counted> counted;
    const arrow::Status status = settle(seq, std::move(piece), counted);
    for (const Counted& c : counted) ARROW_RETURN_NOT_OK(give(c, emit, counts));
    return status;
  }

 private:
  const std::string& path_of(int32_t input) const { return files_[input].input->path(); }
  int64_t bytes_of(int32_t input) const { return files_[input].input->stamp().bytes; }
  int64_t records_in(const TextBorders& b) const { return b.records - (rules_.dialect.skip_blank ? b.blanks : 0); }

  Place place_of(uint64_t seq) const {
    const auto at = std::upper_bound(first_piece_.begin(), first_piece_.end(), seq) - 1;
    Place out;
    out.input = static_cast<int32_t>(at - first_piece_.begin());
    out.from = static_cast<int64_t>(seq - *at) * piece_bytes_;
    out.size = std::min(piece_bytes_, bytes_of(out.input) - out.from);
    out.first = seq == *at;
    out.last = seq + 1 == *(at + 1);
    return out;
  }

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> file(int32_t input) {
    std::lock_guard lock(files_mutex_);
    auto& opened = opened_[static_cast<size_t>(input)];
    if (opened == nullptr) {
      ARROW_ASSIGN_OR_RAISE(opened, files_[input].input->open(pool_));
    }
    return opened;
  }

  void close(int32_t input) {
    std::lock_guard lock(files_mutex_);
    opened_[static_cast<size_t>(input)].reset();
  }

  TextBorders borders_of(const uint8_t* text, int64_t n) const {
    TextBorders out;
    column::simd::kernels().text_borders(text, n, static_cast<uint8_t>(rules_.dialect.separator), rules_.dialect.quote, &out);
    return out;
  }

  // Bytes of the file's first `n` that are no records: a mark, the lines to skip, the header. Nothing: more bytes are needed.
  arrow::Result<std::optional<int64_t>> head_of(int32_t input, const uint8_t* text, int64_t n) const {
    ARROW_ASSIGN_OR_RAISE(const int64_t mark, text_begin(path_of(input), text, n));
    std::string header;
    ARROW_ASSIGN_OR_RAISE(const auto end, find_head_end(text + mark, n - mark, n == bytes_of(input), rules_, path_of(input), &header));
    return end ? std::optional(mark + *end) : std::nullopt;
  }

  arrow::Status look_through(const Place& place, uint8_t* text, Piece& out) {
    ARROW_ASSIGN_OR_RAISE(const auto in, file(place.input));
    ARROW_RETURN_NOT_OK(read_fully(*in, path_of(place.input), place.from, place.size, text));
    if (place.first) {
      const auto head = head_of(place.input, text, place.size);
      if (!head.ok() || !*head) return arrow::Status::OK();  // an error comes in its turn
      out.head = **head;
    } else {
      const auto* end = static_cast<const uint8_t*>(std::memchr(text, '\n', static_cast<size_t>(place.size)));
      if (end == nullptr) return arrow::Status::OK();
      out.head = end + 1 - text;
    }
    out.found = borders_of(text + out.head, place.size - out.head);
    const int64_t end = out.head + out.found.last;
    if (out.found.stray || out.head > static_cast<int64_t>(kMostKept) || place.size - end > static_cast<int64_t>(kMostKept)) {
      return arrow::Status::OK();
    }
    out.known = true;
    const auto* t = reinterpret_cast<const char*>(text);
    if (!place.first) out.before.assign(t, static_cast<size_t>(out.head));
    out.after.assign(t + end, static_cast<size_t>(place.size - end));
    return arrow::Status::OK();
  }

  // Takes note of a piece and puts together all that now follow one another.
  arrow::Status settle(uint64_t seq, Piece piece, std::vector<Counted>& counted) {
    std::lock_guard lock(mutex_);
    if (failed_) return arrow::Status::OK();  // that error comes first
    if (waiting_bytes_ + piece.kept() > kMostWaiting) piece = Piece{};
    waiting_bytes_ += piece.kept();
    waiting_.emplace(seq, std::move(piece));
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      const Piece now = std::move(waiting_.extract(waiting_.begin()).mapped());
      waiting_bytes_ -= now.kept();
      const Place place = place_of(next_++);
      const auto records = join(place, now);
      if (!records.ok()) {
        failed_ = true;
        return records.status();
      }
      counted.push_back({place.input, row_, *records});
      row_ += *records;
      if (place.last) close(place.input);
    }
    return arrow::Status::OK();
  }

  // The records that end in the piece, and the file's last one.
  arrow::Result<int64_t> join(const Place& place, const Piece& piece) {
    if (place.first) {
      begin_ = retry_bytes_ = row_ = 0;
      head_passed_ = false;
      open_.clear();
      open_known_ = true;
    }
    int64_t records = 0;
    if (!fits(place, piece, records)) {
      ARROW_ASSIGN_OR_RAISE(records, read_again(place));
    }
    if (!place.last) return records;
    ARROW_ASSIGN_OR_RAISE(const bool one_more, last_record(place.input));
    return records + one_more;
  }

  // True: what was found in the piece holds, as a record ends where its first one begins.
  bool fits(const Place& place, const Piece& piece, int64_t& records) {
    if (!piece.known || (!place.first && (!open_known_ || !head_passed_))) return false;
    if (!place.first) {
      open_.append(piece.before);
      const auto n = static_cast<int64_t>(open_.size());
      open_.append(static_cast<size_t>(column::kStoreSlack), '\0');
      const TextBorders between = borders_of(reinterpret_cast<const uint8_t*>(open_.data()), n);
      if (between.stray || between.last != n) {
        open_known_ = false;
        return false;
      }
      records += records_in(between);
    }
    records += records_in(piece.found);
    begin_ = place.from + piece.head + piece.found.last;
    open_ = piece.after;
    head_passed_ = true;
    return true;
  }

  // From the record that is open up to the end of the piece. One that is longer than pieces is tried again at double the length only.
  arrow::Result<int64_t> read_again(const Place& place) {
    const int64_t end = place.from + place.size;
    open_known_ = false;
    if (end - begin_ < retry_bytes_ && !place.last) return 0;
    if (place.from - begin_ > kMostRecordBytes) return error_of(place.input);
    ARROW_ASSIGN_OR_RAISE(const auto buffer, text_of(place.input, begin_, end));
    const uint8_t* text = buffer->data();
    int64_t n = end - begin_;
    if (!head_passed_) {
      ARROW_ASSIGN_OR_RAISE(const auto head, head_of(place.input, text, n));
      if (!head) {
        retry_bytes_ = std::min(2 * n, kMostRecordBytes);
        return 0;
      }
      head_passed_ = true;
      begin_ += *head;
      text += *head;
      n -= *head;
    }
    const TextBorders found = borders_of(text, n);
    LineWalk walk{found.last, records_in(found)};
    if (found.stray) walk = walk_records(text, n, 0, rules_.dialect, INT64_MAX);
    retry_bytes_ = walk.next == 0 ? std::min(2 * n, kMostRecordBytes) : 0;
    begin_ += walk.next;
    open_known_ = n - walk.next <= static_cast<int64_t>(kMostKept);
    if (open_known_) open_.assign(reinterpret_cast<const char*>(text) + walk.next, static_cast<size_t>(n - walk.next));
    return walk.records;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> text_of(int32_t input, int64_t from, int64_t end) {
    ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(end - from + column::kStoreSlack, pool_));
    ARROW_ASSIGN_OR_RAISE(const auto in, file(input));
    ARROW_RETURN_NOT_OK(read_fully(*in, path_of(input), from, end - from, buffer->mutable_data()));
    return buffer;
  }

  // Whether the text behind the last line end is a record.
  arrow::Result<bool> last_record(int32_t input) {
    const int64_t n = bytes_of(input) - begin_;
    if (n == 0) return false;
    if (n > kMostRecordBytes) return error_of(input);
    ARROW_ASSIGN_OR_RAISE(const auto buffer, text_of(input, begin_, bytes_of(input)));
    const RecordWalk r = walk_record(buffer->data(), n, 0, rules_.dialect, nullptr);
    if (r.end == RecordEnd::kOpenQuote) return error_of(input);
    return r.record;
  }

  // What is wrong with a file, with its line: from who reads it all.
  arrow::Status error_of(int32_t input) {
    BlockRules rules = rules_;
    rules.ahead = 0;
    BlockCutter cutter({files_[input]}, std::move(rules), pool_);
    while (const auto block = cutter.next()) {
      ARROW_RETURN_NOT_OK(request_.cancel.check());
      ARROW_RETURN_NOT_OK(block->error);
    }
    return base::io_error("cannot read " + path_of(input) + ": the file changed while it was read", path_of(input));
  }

  arrow::Status give(const Counted& c, const plan::BatchConsumer& emit, plan::ScanCounts& counts) const {
    for (int64_t done = 0; done < c.records;) {
      column::Batch batch;
      batch.rows = std::min(batch_rows_, c.records - done);
      batch.origin.input = c.input;
      batch.origin.first_row = c.first_row + done;
      done += batch.rows;
      counts.rows += batch.rows;
      ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    }
    return arrow::Status::OK();
  }

  const std::vector<TextFile> files_;
  const BlockRules rules_;
  const plan::ScanRequest request_;
  arrow::MemoryPool* const pool_;
  int64_t batch_rows_ = 0, piece_bytes_ = 0, largest_ = 0;
  std::vector<uint64_t> first_piece_;  // of every file, and how many there are

  std::mutex files_mutex_;
  std::vector<std::shared_ptr<arrow::io::RandomAccessFile>> opened_;

  std::mutex mutex_;  // for all that follows
  std::map<uint64_t, Piece> waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t next_ = 0;  // the piece to be put to those before it
  bool failed_ = false;
  // Of the file at hand:
  int64_t row_ = 0;
  int64_t begin_ = 0;       // where the open record begins
  std::string open_;        // its text so far
  bool open_known_ = true;  // false: it must be read again
  bool head_passed_ = false;
  int64_t retry_bytes_ = 0;  // nothing ends in fewer bytes than these
};

bool is_plain(const TextFile& f) { return f.input->local() && !f.input->sequential() && f.codec == arrow::Compression::UNCOMPRESSED; }

}  // namespace

std::shared_ptr<plan::Scan> make_count_scan(const std::vector<TextFile>& files, const BlockRules& rules, const plan::ScanRequest& request) {
  const bool nothing_read = request.columns.empty() && request.predicate == nullptr && request.runtime_filters.empty();
  if (!nothing_read || request.limit || rules.dialect.needs_machine()) return nullptr;
  if (!std::all_of(files.begin(), files.end(), is_plain)) return nullptr;
  return std::make_shared<CountScan>(files, rules, request);
}

}  // namespace gristmill::io
