#include "job/retry_text.h"

#include <algorithm>

#include "io/hive_keys.h"
#include "io/text_format.h"

namespace gristmill::job {
namespace {

using Names = std::vector<std::string>;

bool is_special(char c, const io::CsvDialect& d) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == d.quote || byte == d.escape;
}

void append_field(const std::string& text, const io::CsvDialect& d, std::string& out) {
  const bool plain = (d.comment.empty() || !text.starts_with(d.comment)) && std::none_of(text.begin(), text.end(), [&](char c) {
                       return is_special(c, d) || c == d.separator || c == '\n' || c == '\r';
                     });
  if (plain) {
    out += text;
    return;
  }
  if (d.quote >= 0) out += static_cast<char>(d.quote);
  for (const char c : text) {
    if (is_special(c, d)) {
      out += c == static_cast<char>(d.quote) ? c : static_cast<char>(d.escape);
    } else if (c == d.separator && d.quote < 0 && d.escape >= 0) {
      out += static_cast<char>(d.escape);
    }
    out += c;
  }
  if (d.quote >= 0) out += static_cast<char>(d.quote);
}

std::string csv_line(const Names& fields, const io::CsvDialect& d) {
  std::string out;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += d.separator;
    append_field(fields[i], d, out);
  }
  return out + "\n";
}

// Whether a text is one record and nothing else; somebody may have made two of it.
bool is_one_record(const std::string& text, const io::CsvDialect& d) {
  const std::string line = text + "\n";
  const auto n = static_cast<int64_t>(line.size());
  const io::RecordWalk walk = io::walk_record(reinterpret_cast<const uint8_t*>(line.data()), n, 0, d, nullptr);
  return walk.record && walk.next == n;
}

}  // namespace

struct TextLayout::Impl {
  Impl(TextShape s, bool told, FedFiles& f)
      : shape(std::move(s)), files(f), named(shape.csv && (shape.folders || (shape.by_names && told))) {}

  arrow::Status add(const RejectedRecord& r) {
    if (named && files.empty()) ARROW_RETURN_NOT_OK(files.begin(".csv", csv_line(all_names(), shape.dialect)));
    const io::HiveKeys keys = shape.folders ? io::hive_keys(r.file) : io::HiveKeys{};
    Names mine = named ? names_of(r, keys) : Names{};
    if (!begun || mine != header) {
      ARROW_RETURN_NOT_OK(begin_file(mine));
      header = std::move(mine);
      begun = true;
    }
    std::string text;
    append_record(r, keys, text);
    files.add(text, r.place);
    if (!(shape.csv ? is_one_record(r.content, shape.dialect) : r.content.find('\n') == std::string::npos)) files.forget_places();
    return arrow::Status::OK();
  }

  Names all_names() const {
    Names all;
    for (const auto& [name, type] : shape.columns) all.push_back(name);
    return all;
  }

  // Of the fields of a record: its folders' keys, then its own.
  Names names_of(const RejectedRecord& r, const io::HiveKeys& keys) const {
    Names out;
    for (const auto& [key, value] : keys) out.push_back(key);
    if (r.columns != nullptr && shape.by_names) {
      out.insert(out.end(), r.columns->begin(), r.columns->end());
      return out;
    }
    const auto of_folder = [&](const std::string& name) {
      return std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.first == name; });
    };
    for (const auto& [name, type] : shape.columns) {
      if (!of_folder(name)) out.push_back(name);
    }
    return out;
  }

  arrow::Status begin_file(const Names& names) {
    if (named) return files.begin(".csv", csv_line(names, shape.dialect));
    if (!shape.csv) return files.begin(".ndjson", "");
    return files.begin(".csv", shape.header ? csv_line(all_names(), shape.dialect) : "");
  }

  void append_record(const RejectedRecord& r, const io::HiveKeys& keys, std::string& out) const {
    if (shape.csv) {
      for (const auto& [key, value] : keys) {
        append_field(value.value_or(""), shape.dialect, out);
        out += shape.dialect.separator;
      }
      out += r.content + "\n";
      return;
    }
    const size_t brace = r.content.find('{');
    if (keys.empty() || brace == std::string::npos || r.content.find_first_not_of(" \t") != brace) {
      out += r.content + "\n";
      return;
    }
    out += '{';
    const size_t inside = r.content.find_first_not_of(" \t", brace + 1);
    for (size_t i = 0; i < keys.size(); ++i) {
      io::append_json_text(keys[i].first, out);
      out += ':';
      append_json_of(keys[i], out);
      const bool last = i + 1 == keys.size();
      if (!last || (inside != std::string::npos && r.content[inside] != '}')) out += ',';
    }
    out += r.content.substr(brace + 1) + "\n";
  }

  // A folder's value as its column's type wants it.
  void append_json_of(const std::pair<std::string, io::HiveValue>& key, std::string& out) const {
    const auto at = std::find_if(shape.columns.begin(), shape.columns.end(), [&](const auto& c) { return c.first == key.first; });
    if (!key.second) {
      out += "null";
    } else if (at != shape.columns.end() && at->second == "int64") {
      out += *key.second;
    } else {
      io::append_json_text(*key.second, out);
    }
  }

  const TextShape shape;
  FedFiles& files;
  const bool named;
  bool begun = false;
  Names header;
};

TextLayout::TextLayout(TextShape shape, bool told, FedFiles& files) : impl_(std::make_unique<Impl>(std::move(shape), told, files)) {}
TextLayout::~TextLayout() = default;
arrow::Status TextLayout::add(const RejectedRecord& record) { return impl_->add(record); }
bool TextLayout::named() const { return impl_->named; }

}  // namespace gristmill::job
