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

class Layout {
 public:
  explicit Layout(const TextShape& shape) : shape_(shape) {}

  FedText of(const std::vector<RejectedRecord>& records) {
    FedText out;
    const bool told = std::any_of(records.begin(), records.end(), [](const auto& r) { return r.columns != nullptr; });
    out.named = shape_.csv && (shape_.folders || (shape_.by_names && told));
    if (out.named) {
      Names all;
      for (const auto& [name, type] : shape_.columns) all.push_back(name);
      out.files.push_back({"columns.csv", csv_line(all, shape_.dialect), {}});
    }
    Names header;
    bool exact = true;
    for (const RejectedRecord& r : records) {
      const io::HiveKeys keys = shape_.folders ? io::hive_keys(r.file) : io::HiveKeys{};
      const bool first = out.files.size() == (out.named ? 1U : 0U);
      Names mine = out.named ? names_of(r, keys) : Names{};
      if (first || mine != header) {
        if (!first && !exact) out.files.back().records.clear();
        begin_file(out, mine);
        header = std::move(mine);
        exact = true;
      }
      FedFile& file = out.files.back();
      append_record(r, keys, file.text);
      file.records.push_back(&r);
      exact = exact && (shape_.csv ? is_one_record(r.content, shape_.dialect) : r.content.find('\n') == std::string::npos);
    }
    if (!exact) out.files.back().records.clear();
    return out;
  }

 private:
  // Of the fields of a record: its folders' keys, then its own.
  Names names_of(const RejectedRecord& r, const io::HiveKeys& keys) const {
    Names out;
    for (const auto& [key, value] : keys) out.push_back(key);
    if (r.columns != nullptr && shape_.by_names) {
      out.insert(out.end(), r.columns->begin(), r.columns->end());
      return out;
    }
    const auto of_folder = [&](const std::string& name) {
      return std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.first == name; });
    };
    for (const auto& [name, type] : shape_.columns) {
      if (!of_folder(name)) out.push_back(name);
    }
    return out;
  }

  void begin_file(FedText& out, const Names& header) const {
    FedFile file;
    file.name = "records-" + std::to_string(out.files.size()) + (shape_.csv ? ".csv" : ".ndjson");
    if (out.named) {
      file.text = csv_line(header, shape_.dialect);
    } else if (shape_.csv && shape_.header) {
      Names all;
      for (const auto& [name, type] : shape_.columns) all.push_back(name);
      file.text = csv_line(all, shape_.dialect);
    }
    out.files.push_back(std::move(file));
  }

  void append_record(const RejectedRecord& r, const io::HiveKeys& keys, std::string& out) const {
    if (shape_.csv) {
      for (const auto& [key, value] : keys) {
        append_field(value.value_or(""), shape_.dialect, out);
        out += shape_.dialect.separator;
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
    const auto at = std::find_if(shape_.columns.begin(), shape_.columns.end(), [&](const auto& c) { return c.first == key.first; });
    if (!key.second) {
      out += "null";
    } else if (at != shape_.columns.end() && at->second == "int64") {
      out += *key.second;
    } else {
      io::append_json_text(*key.second, out);
    }
  }

  const TextShape& shape_;
};

}  // namespace

FedText lay_out_text(const std::vector<RejectedRecord>& records, const TextShape& shape) { return Layout(shape).of(records); }

}  // namespace gristmill::job
