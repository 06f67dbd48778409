// Reading ahead by a block, finding its last border.

#include "io/text_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/dispatch.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMostRecord = int64_t{256} << 20;

int64_t lines_in(const uint8_t* text, int64_t n) { return std::count(text, text + n, uint8_t{'\n'}); }

arrow::Status at_line(arrow::Status status, const std::string& path, int64_t line, std::string hint) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.file = path;
  d.line = line;
  d.hint = std::move(hint);
  return base::with_detail(status, std::move(d));
}

}  // namespace

std::optional<TextBlock> BlockCutter::next() {
  if (failed_) return std::nullopt;
  auto block = next_or_error();
  if (block.ok()) return std::move(*block);
  failed_ = true;
  TextBlock out;
  out.input = input_;
  out.error = block.status();
  return out;
}

arrow::Result<std::optional<TextBlock>> BlockCutter::next_or_error() {
  while (true) {
    if (in_ == nullptr) {
      if (input_ + 1 >= std::ssize(files_)) return std::nullopt;
      ARROW_RETURN_NOT_OK(open_next());
    }
    if (!head_passed_) {
      ARROW_RETURN_NOT_OK(pass_head());
      continue;
    }
    if (at_ < border_) {
      if (rules_.most_records == 0 || records_ <= rules_.most_records) return serve(border_, records_);
      const LineWalk walk = walk_records(text(), border_ - at_, 0, rules_.dialect, rules_.most_records);
      return serve(at_ + walk.next, walk.records);
    }
    if (!end_of_file_) {
      ARROW_RETURN_NOT_OK(refill());
      continue;
    }
    if (at_ < size_) {
      ARROW_ASSIGN_OR_RAISE(TextBlock block, last_record());
      if (block.size > 0) return block;
    }
    in_.reset();
    buffer_.reset();
  }
}

arrow::Status BlockCutter::open_next() {
  const TextFile& file = files_[++input_];
  ARROW_ASSIGN_OR_RAISE(in_, TextInput::open(*file.input, file.codec, rules_.only_look, pool_));
  at_ = size_ = border_ = records_ = 0;
  row_ = 0;
  line_ = 1;
  exact_ = quotes_ = end_of_file_ = false;
  head_passed_ = !rules_.header && rules_.skip_lines == 0;
  header_.clear();
  return refill();
}

// What was read but not given out moves to a new buffer, with as much again behind it (or more, when no record ends in it).
arrow::Status BlockCutter::refill() {
  const int64_t left = size_ - at_;
  if (left > kMostRecord) {
    return at_line(base::data_error("a record of more than 256 MiB"), in_->path(), line_,
                   "is a quote not closed? quote_char=None reads quotes as text");
  }
  const int64_t wanted = std::max(rules_.block_bytes, left);
  ARROW_ASSIGN_OR_RAISE(auto fresh, column::allocate_buffer(left + wanted, pool_));
  uint8_t* to = fresh->mutable_data();
  if (left > 0) std::memcpy(to, text(), static_cast<size_t>(left));
  ARROW_ASSIGN_OR_RAISE(const int64_t got, in_->read(to + left, wanted));
  size_ = left + got;
  std::memset(to + size_, 0, column::kStoreSlack);
  at_ = 0;
  buffer_ = std::move(fresh);
  end_of_file_ = got < wanted;
  find_borders();
  return arrow::Status::OK();
}

// Of what was read and not given out.
void BlockCutter::find_borders() {
  const CsvDialect& d = rules_.dialect;
  const int64_t n = size_ - at_;
  exact_ = d.needs_machine();
  quotes_ = d.quote >= 0;
  if (!exact_) {
    column::simd::TextBorders found;
    column::simd::kernels().text_borders(text(), n, static_cast<uint8_t>(d.separator), d.quote, &found);
    exact_ = found.stray;
    quotes_ = found.quotes;
    border_ = at_ + found.last;
    lines_ = found.records;
    records_ = found.records - (d.skip_blank ? found.blanks : 0);
  }
  if (exact_) {
    const LineWalk walk = walk_records(text(), n, 0, d, INT64_MAX);
    border_ = at_ + walk.next;
    records_ = walk.records;
    quotes_ = true;
  }
}

// Lines to skip, then the header. Both may be longer than a block.
arrow::Status BlockCutter::pass_head() {
  CsvDialect dialect = rules_.dialect;
  dialect.skip_blank = true;
  while (true) {
    int64_t i = 0, lines = 0;
    const int64_t n = size_ - at_;
    const uint8_t* t = text();
    for (; i < n && lines < rules_.skip_lines; ++i) lines += t[i] == '\n';
    bool whole = lines == rules_.skip_lines;
    while (whole && rules_.header) {
      if (i >= n) {
        whole = false;
        break;
      }
      const RecordWalk r = walk_record(t, n, i, dialect, nullptr);
      if (r.end == RecordEnd::kOpenQuote && end_of_file_) {
        return at_line(base::data_error("a quote of the header does not close"), in_->path(), 1 + lines_in(t, i),
                       "quote_char=None reads quotes as text");
      }
      if (r.end != RecordEnd::kLine && !end_of_file_) {
        whole = false;
        break;
      }
      if (r.record) header_.assign(reinterpret_cast<const char*>(t) + i, static_cast<size_t>(r.next - i));
      i = r.next;
      if (r.record) break;
    }
    if (whole || end_of_file_) {
      line_ += lines_in(t, i);
      at_ += i;
      head_passed_ = true;
      find_borders();  // afresh, since quotes may stand otherwise in the head
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(refill());
  }
}

// The text behind the last line end.
arrow::Result<TextBlock> BlockCutter::last_record() {
  const RecordWalk r = walk_record(text(), size_ - at_, 0, rules_.dialect, nullptr);
  if (r.end == RecordEnd::kOpenQuote) {
    auto status = at_line(base::data_error("a quote does not close in the record that begins here"), in_->path(), line_,
                          "the file may be cut off; quote_char=None reads quotes as text");
    base::ErrorDetail d = *base::error_detail(status);
    d.row = row_;
    return base::with_detail(status, std::move(d));
  }
  if (!r.record) {
    at_ = size_;
    return TextBlock{};
  }
  exact_ = rules_.dialect.needs_machine() || rules_.dialect.quote >= 0;
  quotes_ = rules_.dialect.quote >= 0;
  return serve(size_, 1);
}

TextBlock BlockCutter::serve(int64_t end, int64_t records) {
  TextBlock out;
  out.buffer = buffer_;
  out.begin = at_;
  out.size = end - at_;
  out.input = input_;
  out.first_row = row_;
  out.first_line = line_;
  out.records = records;
  out.exact = exact_;
  out.quotes = quotes_ || exact_;
  line_ += !out.quotes && end == border_ && lines_ >= records_ && records == records_ ? lines_ : lines_in(text(), out.size);
  row_ += records;
  if (records != records_) lines_ = -1;  // counted for all of it
  at_ = end;
  records_ -= records;
  return out;
}

}  // namespace gristmill::io
