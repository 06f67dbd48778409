// Making, reading and showing errors.
//
// The kind of an error lives in its detail; its Arrow code is only what foreign code sees.
// Invariant: what describe_error() shows has no control characters from the user's data and a bounded length.

#include "base/status.h"

#include <algorithm>
#include <utility>

namespace gristmill::base {
namespace {

constexpr size_t kShownValueBytes = 120;

// `text` in double quotes, control characters escaped, cut at a UTF-8 boundary.
std::string quoted(std::string_view text) {
  const bool cut = text.size() > kShownValueBytes;
  if (cut) {
    size_t end = kShownValueBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + (cut ? "\"..." : "\"");
}

// Everything but the hint; a file that `message` names already is not named again.
std::string position(const ErrorDetail& d, std::string_view message = {}) {
  std::string out;
  const auto part = [&out](const std::string& text) { out += out.empty() ? text : ", " + text; };
  if (!d.file.empty() && message.find(d.file) == std::string_view::npos) part("file " + d.file);
  if (d.line >= 0) part("line " + std::to_string(d.line));
  if (d.row >= 0) part("row " + std::to_string(d.row));
  if (!d.column.empty()) part("column " + quoted(d.column));
  if (!d.value.empty()) part("value " + quoted(d.value));
  return out;
}

// suggest_name() begins with "; ", which is ours to write when it is used as a hint.
std::string_view bare_hint(std::string_view hint) {
  if (hint.substr(0, 2) == "; ") hint.remove_prefix(2);
  return hint;
}

arrow::Status make_error(arrow::StatusCode code, ErrorDetail detail, std::string message) {
  return arrow::Status(code, std::move(message), std::make_shared<ErrorDetail>(std::move(detail)));
}

ErrorDetail detail_of(ErrorKind kind) {
  ErrorDetail d;
  d.kind = kind;
  return d;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({substituted, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string ErrorDetail::ToString() const {
  std::string out = position(*this);
  if (!hint.empty()) {
    if (!out.empty()) out += "; ";
    out += bare_hint(hint);
  }
  return out;
}

arrow::Status plan_error(std::string message, std::string hint) {
  ErrorDetail d = detail_of(ErrorKind::kPlan);
  d.hint = std::move(hint);
  return make_error(arrow::StatusCode::Invalid, std::move(d), std::move(message));
}

arrow::Status data_error(std::string message, std::string value, int64_t batch_row) {
  ErrorDetail d = detail_of(ErrorKind::kData);
  d.value = std::move(value);
  d.batch_row = batch_row;
  return make_error(arrow::StatusCode::Invalid, std::move(d), std::move(message));
}

arrow::Status io_error(std::string message, std::string file, std::string hint) {
  ErrorDetail d = detail_of(ErrorKind::kIo);
  d.file = std::move(file);
  d.hint = std::move(hint);
  return make_error(arrow::StatusCode::IOError, std::move(d), std::move(message));
}

arrow::Status memory_error(std::string message, std::string hint) {
  ErrorDetail d = detail_of(ErrorKind::kMemory);
  d.hint = std::move(hint);
  return make_error(arrow::StatusCode::OutOfMemory, std::move(d), std::move(message));
}

arrow::Status cancelled_error(std::string message) {
  return make_error(arrow::StatusCode::Cancelled, detail_of(ErrorKind::kCancelled), std::move(message));
}

arrow::Status timeout_error(std::string message) {
  return make_error(arrow::StatusCode::Cancelled, detail_of(ErrorKind::kTimeout), std::move(message));
}

arrow::Status internal_error(std::string message) {
  return make_error(arrow::StatusCode::UnknownError, detail_of(ErrorKind::kInternal), std::move(message));
}

std::shared_ptr<ErrorDetail> error_detail(const arrow::Status& status) {
  const std::shared_ptr<arrow::StatusDetail>& detail = status.detail();
  // Compared as text: the engine may be in a process twice (a program and a module).
  if (detail == nullptr || std::string_view(detail->type_id()) != ErrorDetail::kTypeId) return nullptr;
  return std::static_pointer_cast<ErrorDetail>(detail);
}

ErrorKind error_kind(const arrow::Status& status) {
  if (const auto detail = error_detail(status)) return detail->kind;
  switch (status.code()) {
    case arrow::StatusCode::OutOfMemory: return ErrorKind::kMemory;
    case arrow::StatusCode::IOError: return ErrorKind::kIo;
    case arrow::StatusCode::Cancelled: return ErrorKind::kCancelled;
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::NotImplemented: return ErrorKind::kPlan;
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::IndexError:
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::SerializationError: return ErrorKind::kData;
    default: return ErrorKind::kInternal;
  }
}

arrow::Status with_detail(const arrow::Status& status, ErrorDetail detail) {
  if (status.ok()) return status;
  return status.WithDetail(std::make_shared<ErrorDetail>(std::move(detail)));
}

std::string describe_error(const arrow::Status& status) {
  if (status.ok()) return "OK";
  std::string out = status.message();
  const auto detail = error_detail(status);
  if (detail == nullptr) {
    if (status.detail() != nullptr) out += " (" + status.detail()->ToString() + ")";
    return out;
  }
  if (const std::string where = position(*detail, status.message()); !where.empty()) out += " (" + where + ")";
  if (!detail->hint.empty()) {
    out += "; ";
    out += bare_hint(detail->hint);
  }
  return out;
}

std::string suggest_name(std::string_view wanted, const std::vector<std::string>& known) {
  constexpr size_t kListed = 10;
  if (known.empty()) return {};
  const std::string folded = lowered(wanted);
  const size_t limit = std::max<size_t>(1, (wanted.size() + 2) / 3);  // "fair" is near "fare"
  const std::string* best = nullptr;
  std::pair<size_t, size_t> best_distance{limit, SIZE_MAX};  // ignoring case first, then the spelling
  for (const std::string& name : known) {
    const size_t shorter = std::min(name.size(), wanted.size()), longer = std::max(name.size(), wanted.size());
    if (longer - shorter > limit) continue;
    const std::pair<size_t, size_t> distance{edit_distance(folded, lowered(name)), edit_distance(wanted, name)};
    if (distance < best_distance) {
      best = &name;
      best_distance = distance;
    }
  }
  if (best != nullptr) return "; did you mean \"" + *best + "\"?";
  std::string out = "; known: ";
  for (size_t i = 0; i < std::min(kListed, known.size()); ++i) out += (i == 0 ? "" : ", ") + known[i];
  if (known.size() > kListed) out += ", ...";
  return out;
}

}  // namespace gristmill::base
