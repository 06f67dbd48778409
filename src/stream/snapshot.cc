// One IPC stream a piece. The format's version travels in the schema's metadata, so that a part says by itself what it is.

#include "stream/snapshot.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>
#include <utility>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "base/status.h"

namespace gristmill::stream {
namespace {

constexpr const char* kVersionKey = "gristmill.snapshot";
constexpr const char* kAbout = "about";
constexpr const char* kAll = "all";

std::string group_text(int group) {
  if (group == kNoKeyGroup) return kAll;
  char text[16];
  std::snprintf(text, sizeof(text), "%03d", group);
  return text;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> to_ipc(const arrow::RecordBatch& rows, arrow::MemoryPool* pool) {
  const auto metadata = arrow::key_value_metadata({kVersionKey}, {std::to_string(kSnapshotVersion)});
  const auto schema = rows.schema()->WithMetadata(metadata);
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::io::BufferOutputStream::Create(4096, pool));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(out, schema, options));
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, rows.num_rows(), rows.column_data())));
  ARROW_RETURN_NOT_OK(writer->Close());
  return out->Finish();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> from_ipc(const std::string& name, std::shared_ptr<arrow::Buffer> bytes) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  const auto in = std::make_shared<arrow::io::BufferReader>(std::move(bytes));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(in, options));
  const auto metadata = reader->schema()->metadata();
  const auto version = metadata ? metadata->Get(kVersionKey) : arrow::Result<std::string>(arrow::Status::KeyError("none"));
  if (!version.ok() || *version != std::to_string(kSnapshotVersion)) {
    return base::data_error("the state \"" + name + "\" of the checkpoint has format version " + version.ValueOr("none") +
                            ", this program reads version " + std::to_string(kSnapshotVersion));
  }
  std::shared_ptr<arrow::RecordBatch> rows;
  ARROW_RETURN_NOT_OK(reader->ReadNext(&rows));
  if (!rows) return base::data_error("the state \"" + name + "\" of the checkpoint has no rows");
  return rows;
}

std::shared_ptr<arrow::Schema> about_schema() {
  return arrow::schema({arrow::field("name", arrow::utf8()), arrow::field("value", arrow::utf8())});
}

}  // namespace

void SnapshotWriter::describe(std::string kind, int version, std::string fingerprint) {
  kind_ = std::move(kind);
  version_ = version;
  fingerprint_ = std::move(fingerprint);
}

arrow::Status SnapshotWriter::put(const std::string& part, int group, const arrow::RecordBatch& rows) {
  if (rows.num_rows() == 0) return arrow::Status::OK();
  std::string name = id_ + "/" + part + "/" + group_text(group);
  const int piece = pieces_[name]++;
  if (piece > 0) name += "-" + std::to_string(piece);
  ARROW_ASSIGN_OR_RAISE(auto bytes, to_ipc(rows, pool_));
  return store_(name, bytes);
}

arrow::Status SnapshotWriter::finish() {
  arrow::StringBuilder names, values;
  const auto add = [&](const std::string& name, const std::string& value) -> arrow::Status {
    ARROW_RETURN_NOT_OK(names.Append(name));
    return values.Append(value);
  };
  ARROW_RETURN_NOT_OK(add("kind", kind_));
  ARROW_RETURN_NOT_OK(add("version", std::to_string(version_)));
  ARROW_RETURN_NOT_OK(add("fingerprint", fingerprint_));
  for (const auto& [name, value] : numbers_) ARROW_RETURN_NOT_OK(add("number " + name, std::to_string(value)));
  ARROW_ASSIGN_OR_RAISE(auto name_column, names.Finish());
  ARROW_ASSIGN_OR_RAISE(auto value_column, values.Finish());
  const int64_t rows = name_column->length();
  const auto batch = arrow::RecordBatch::Make(about_schema(), rows, {std::move(name_column), std::move(value_column)});
  ARROW_ASSIGN_OR_RAISE(auto bytes, to_ipc(*batch, pool_));
  return store_(id_ + "/" + kAbout, bytes);
}

arrow::Result<SnapshotReader> SnapshotReader::open(std::string operator_id, const std::vector<std::string>& names, Load load) {
  SnapshotReader out;
  out.id_ = std::move(operator_id);
  out.load_ = std::move(load);
  const std::string prefix = out.id_ + "/";
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    const std::string rest = name.substr(prefix.size());
    if (rest == kAbout) {
      out.known_ = true;
      continue;
    }
    const size_t slash = rest.rfind('/');
    if (slash == std::string::npos) continue;
    const std::string group = rest.substr(slash + 1, rest.find('-', slash) - slash - 1);
    int number = kNoKeyGroup;
    if (group != kAll) {
      const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), number);
      if (error != std::errc() || end != group.data() + group.size() || number < 0 || number >= kKeyGroups) {
        return base::data_error("the checkpoint has a part \"" + name + "\" of no key group");
      }
    }
    out.parts_[rest.substr(0, slash)][number].push_back(name);
  }
  if (!out.known_) return out;
  const std::string about = prefix + kAbout;
  ARROW_ASSIGN_OR_RAISE(auto bytes, out.load_(about));
  ARROW_ASSIGN_OR_RAISE(const auto rows, from_ipc(about, std::move(bytes)));
  if (!rows->schema()->Equals(*about_schema(), false)) return base::data_error("the state \"" + about + "\" of the checkpoint is damaged");
  const auto& keys = static_cast<const arrow::StringArray&>(*rows->column(0));
  const auto& values = static_cast<const arrow::StringArray&>(*rows->column(1));
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    const std::string key = keys.GetString(i), value = values.GetString(i);
    if (key == "kind") {
      out.kind_ = value;
    } else if (key == "fingerprint") {
      out.fingerprint_ = value;
    } else {
      int64_t n = 0;
      std::from_chars(value.data(), value.data() + value.size(), n);
      if (key == "version") {
        out.version_ = static_cast<int>(n);
      } else {
        out.numbers_[key.substr(std::string_view("number ").size())] = n;
      }
    }
  }
  return out;
}

arrow::Status SnapshotReader::check(std::string_view kind, int version, std::string_view fingerprint) const {
  const std::string who = "the operator \"" + id_ + "\" cannot go on from the checkpoint: ";
  const std::string hint = "give the operator another id to start it without state, or start from an empty checkpoint folder";
  if (kind_ != kind) return base::plan_error(who + "its state is of a \"" + kind_ + "\", not of a \"" + std::string(kind) + "\"", hint);
  if (version_ != version) {
    return base::plan_error(
        who + "its state has version " + std::to_string(version_) + ", this program reads version " + std::to_string(version), hint);
  }
  if (fingerprint_ != fingerprint) {
    return base::plan_error(who + "its state is of \"" + fingerprint_ + "\", the job now says \"" + std::string(fingerprint) + "\"", hint);
  }
  return arrow::Status::OK();
}

int64_t SnapshotReader::number(const std::string& name, int64_t otherwise) const {
  const auto found = numbers_.find(name);
  return found == numbers_.end() ? otherwise : found->second;
}

arrow::Status SnapshotReader::each(const std::string& part, const Visit& visit, int from, int to) const {
  const auto found = parts_.find(part);
  if (found == parts_.end()) return arrow::Status::OK();
  for (const auto& [group, names] : found->second) {
    if (group < from || group >= to) continue;
    for (const std::string& name : names) {
      ARROW_ASSIGN_OR_RAISE(auto bytes, load_(name));
      ARROW_ASSIGN_OR_RAISE(const auto rows, from_ipc(name, std::move(bytes)));
      ARROW_RETURN_NOT_OK(visit(group, rows));
    }
  }
  return arrow::Status::OK();
}

std::vector<std::string> operators_in(const std::vector<std::string>& names) {
  std::set<std::string> out;
  for (const std::string& name : names) {
    const size_t slash = name.rfind(std::string("/") + kAbout);
    if (slash != std::string::npos && slash + 1 + std::string_view(kAbout).size() == name.size()) out.insert(name.substr(0, slash));
  }
  return {out.begin(), out.end()};
}

}  // namespace gristmill::stream
