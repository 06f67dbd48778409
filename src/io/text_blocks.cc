// Reading ahead by a block, finding its last border.

#include "io/text_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/dispatch.h"

namespace gristmill::io {
namespace {

arrow::Status at_line(arrow::Status status, const std::string& path, int64_t line, std::string hint) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.file = path;
  d.line = line;
  d.hint = std::move(hint);
  return base::with_detail(status, std::move(d));
}

}  // namespace

arrow::Result<std::optional<int64_t>> find_head_end(const uint8_t* text, int64_t n, bool all, const BlockRules& rules,
                                                    const std::string& path, std::string* header) {
  CsvDialect dialect = rules.dialect;
  dialect.skip_blank = true;
  int64_t i = 0, lines = 0;
  for (; i < n && lines < rules.skip_lines; ++i) lines += text[i] == '\n';
  bool whole = lines == rules.skip_lines;
  while (whole && rules.header) {
    if (i >= n) {
      whole = false;
      break;
    }
    const RecordWalk r = walk_record(text, n, i, dialect, nullptr);
    if (r.end == RecordEnd::kOpenQuote && all) {
      return at_line(base::data_error("a quote of the header does not close"), path, 1 + lines_in(text, i),
                     "quote_char=None reads quotes as text");
    }
    if (r.end != RecordEnd::kLine && !all) {
      whole = false;
      break;
    }
    if (r.record) header->assign(reinterpret_cast<const char*>(text) + i, static_cast<size_t>(r.next - i));
    i = r.next;
    if (r.record) break;
  }
  return whole || all ? std::optional(i) : std::nullopt;
}

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
    if (in_ == nullptr && ahead_ == nullptr) {
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
    set_ahead(nullptr);
    buffer_.reset();
  }
}

arrow::Status BlockCutter::open_next() {
  const TextFile& file = files_[++input_];
  if (rules_.ahead > 0 && file.input->local() && file.codec == arrow::Compression::UNCOMPRESSED &&
      file.input->stamp().bytes > rules_.block_bytes) {
    ARROW_ASSIGN_OR_RAISE(auto opened, file.input->open(pool_));
    set_ahead(
        std::make_shared<TextAhead>(std::move(opened), file.input->stamp().bytes, rules_.block_bytes, rules_.dialect, rules_.ahead, pool_));
    piece_ = 0;
  } else {
    ARROW_ASSIGN_OR_RAISE(in_, TextInput::open(*file.input, file.codec, rules_.only_look, pool_));
  }
  at_ = size_ = border_ = records_ = 0;
  row_ = 0;
  line_ = 1;
  exact_ = quotes_ = end_of_file_ = false;
  head_passed_ = !rules_.header && rules_.skip_lines == 0;
  header_.clear();
  return refill();
}

void BlockCutter::set_ahead(std::shared_ptr<TextAhead> ahead) {
  std::lock_guard lock(mutex_);
  ahead_ = std::move(ahead);
}

void BlockCutter::help() {
  std::shared_ptr<TextAhead> ahead;
  {
    std::lock_guard lock(mutex_);
    ahead = ahead_;
  }
  if (ahead != nullptr) ahead->help();
}

// What was read but not given out moves to a new buffer, with as much again behind it (or more, when no record ends in it).
arrow::Status BlockCutter::refill() {
  const int64_t left = size_ - at_;
  if (left > kMostRecordBytes) {
    return at_line(base::data_error("a record of more than 256 MiB"), path(), line_,
                   "is a quote not closed? quote_char=None reads quotes as text");
  }
  if (ahead_ != nullptr) return refill_ahead(left);
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

// The same from pieces that others may have made: what is left goes before the next one where it fits, and what was found in it holds
// when a record ends with its first line end.
arrow::Status BlockCutter::refill_ahead(int64_t left) {
  const int64_t pieces = ahead_->pieces();
  TextPiece piece = ahead_->take(piece_++);
  ARROW_RETURN_NOT_OK(reading_error(path(), piece.status));
  const bool first = piece_ == 1;
  if (left <= TextPiece::kRoom && (left <= rules_.block_bytes || piece_ == pieces)) {
    uint8_t* to = piece.buffer->mutable_data() + TextPiece::kRoom - left;
    if (left > 0) std::memcpy(to, text(), static_cast<size_t>(left));
    buffer_ = std::move(piece.buffer);
    at_ = TextPiece::kRoom - left;
    size_ = TextPiece::kRoom + piece.size;
  } else {
    ARROW_RETURN_NOT_OK(join_pieces(left, piece));
  }
  end_of_file_ = piece_ == pieces;
  if (first) {
    ARROW_ASSIGN_OR_RAISE(const int64_t mark, text_begin(path(), text(), size_ - at_));
    at_ += mark;
  }
  find_borders(first || piece.head < 0 || left > TextPiece::kRoom ? nullptr : &piece, left);
  return arrow::Status::OK();
}

// A long record: as many pieces at once as there is text already, so that it is not copied again and again.
arrow::Status BlockCutter::join_pieces(int64_t left, TextPiece& piece) {
  std::vector<TextPiece> more;
  int64_t bytes = piece.size;
  more.push_back(std::move(piece));
  while (bytes < left && piece_ < ahead_->pieces()) {
    more.push_back(ahead_->take(piece_++));
    ARROW_RETURN_NOT_OK(reading_error(path(), more.back().status));
    bytes += more.back().size;
  }
  ARROW_ASSIGN_OR_RAISE(auto fresh, column::allocate_buffer(left + bytes + column::kStoreSlack, pool_));
  uint8_t* to = fresh->mutable_data();
  std::memcpy(to, text(), static_cast<size_t>(left));
  size_ = left;
  for (const TextPiece& p : more) {
    std::memcpy(to + size_, p.buffer->data() + TextPiece::kRoom, static_cast<size_t>(p.size));
    size_ += p.size;
  }
  std::memset(to + size_, 0, column::kStoreSlack);
  at_ = 0;
  buffer_ = std::move(fresh);
  piece = TextPiece{};
  return arrow::Status::OK();
}

// Of what was read and not given out. `piece`: what is known of the text behind its first `left` bytes.
void BlockCutter::find_borders(const TextPiece* piece, int64_t left) {
  const CsvDialect& d = rules_.dialect;
  const int64_t n = size_ - at_;
  exact_ = d.needs_machine();
  quotes_ = d.quote >= 0;
  lines_ = -1;
  if (!exact_) {
    const auto find = [&](int64_t bytes) {
      column::simd::TextBorders found;
      column::simd::kernels().text_borders(text(), bytes, static_cast<uint8_t>(d.separator), d.quote, &found);
      return found;
    };
    const int64_t head = piece == nullptr ? n : left + piece->head;
    column::simd::TextBorders found = find(head);
    const bool holds = piece != nullptr && !found.stray && found.last == head;  // a record begins behind the head
    if (piece != nullptr && !holds) found = find(n);
    if (!found.quotes) lines_ = found.records;
    if (holds) {
      lines_ = (found.quotes ? lines_in(text(), head) : found.records) + piece->lines;
      found.records += piece->found.records;
      found.blanks += piece->found.blanks;
      found.last = head + piece->found.last;
      found.stray = piece->found.stray;
      found.quotes = found.quotes || piece->found.quotes;
    }
    exact_ = found.stray;
    quotes_ = found.quotes;
    border_ = at_ + found.last;
    records_ = found.records - (d.skip_blank ? found.blanks : 0);
  }
  if (exact_) {
    const LineWalk walk = walk_records(text(), n, 0, d, INT64_MAX);
    border_ = at_ + walk.next;
    records_ = walk.records;
    quotes_ = true;
    lines_ = -1;
  }
}

// Lines to skip, then the header. Both may be longer than a block.
arrow::Status BlockCutter::pass_head() {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto end, find_head_end(text(), size_ - at_, end_of_file_, rules_, path(), &header_));
    if (end) {
      line_ += lines_in(text(), *end);
      at_ += *end;
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
    auto status = at_line(base::data_error("a quote does not close in the record that begins here"), path(), line_,
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
  line_ += end == border_ && lines_ >= 0 && records == records_ ? lines_ : lines_in(text(), out.size);
  row_ += records;
  if (records != records_) lines_ = -1;  // counted for all of it
  at_ = end;
  records_ -= records;
  return out;
}

}  // namespace gristmill::io
