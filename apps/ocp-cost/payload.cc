// Archives are unpacked to a work folder, so that every core reads them; compressed text stays compressed until it is read.

#include "payload.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <arrow/array/array_primitive.h>
#include <arrow/chunked_array.h>
#include <arrow/io/compressed.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>

#include "gristmill/errors.h"
#include "gristmill/hold.h"
#include "tar.h"
#include "work_folder.h"

namespace ocp {

using gristmill::col;
using gristmill::Frame;

namespace {

using Stream = std::shared_ptr<arrow::io::InputStream>;

struct CsvFile {
  std::string path;
  std::string shown;  // for messages
  std::vector<std::string> columns;
  gristmill::StorageOptions storage;
};

bool is_archive(const std::string& name) { return name.ends_with(".tar.gz") || name.ends_with(".tgz") || name.ends_with(".tar"); }
bool is_csv(const std::string& name) { return name.ends_with(".csv") || name.ends_with(".csv.gz"); }

arrow::Result<Stream> open_text(const std::string& file, const gristmill::StorageOptions& storage) {
  ARROW_ASSIGN_OR_RAISE(Stream raw, gristmill::open_bytes(file, storage));
  if (!file.ends_with("gz")) return raw;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::util::Codec> codec, arrow::util::Codec::Create(arrow::Compression::GZIP));
  ARROW_ASSIGN_OR_RAISE(auto text, arrow::io::CompressedInputStream::Make(codec.get(), raw));
  // The stream must not outlive its codec.
  return Stream(text.get(), [codec, text](arrow::io::InputStream*) {});
}

// Names of the first record; they hold no quotes worth the name, but may stand in them.
std::vector<std::string> header_of(std::string line) {
  if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
  std::vector<std::string> out = {""};
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

arrow::Result<std::vector<std::string>> read_header(const std::string& file, const gristmill::StorageOptions& storage) {
  constexpr size_t kLongest = 1 << 20;
  ARROW_ASSIGN_OR_RAISE(const Stream text, open_text(file, storage));
  std::string line;
  for (char buffer[4096]; line.find('\n') == std::string::npos && line.size() < kLongest;) {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, text->Read(sizeof buffer, buffer));
    if (n == 0) break;
    line.append(buffer, static_cast<size_t>(n));
  }
  return header_of(line.substr(0, line.find('\n')));
}

// By the columns that a kind must have; of several the one with most.
std::optional<Kind> kind_of(const std::vector<std::string>& columns) {
  const std::set<std::string> have(columns.begin(), columns.end());
  std::optional<Kind> best;
  for (const Kind kind : kKinds) {
    const auto& wanted = input_columns(kind);
    const bool fits = have.contains("interval_start") &&
                      std::all_of(wanted.begin(), wanted.end(), [&](const InputColumn& c) { return c.optional || have.contains(c.name); });
    if (fits && (!best || wanted.size() > input_columns(*best).size())) best = kind;
  }
  return best;
}

class Payloads {
 public:
  Payloads(const Settings& settings, const gristmill::Cancellation& cancel, ClusterReport& report)
      : settings_(settings), storage_(settings.store.options()), cancel_(cancel), report_(report) {}

  arrow::Status run(InputFiles (&files)[4]) {
    ARROW_ASSIGN_OR_RAISE(work_, WorkFolder::make());
    for (const std::string& name : settings_.input.payloads) ARROW_RETURN_NOT_OK(add(name));
    for (const Kind kind : kKinds) ARROW_RETURN_NOT_OK(read_kind(kind, files[static_cast<int>(kind)]));
    return arrow::Status::OK();
  }

 private:
  arrow::Status add(const std::string& name) {
    report_.listing.folders.push_back(name);
    ARROW_ASSIGN_OR_RAISE(const bool there, gristmill::exists(name, storage_));
    if (!there) return arrow::Status::IOError("the payload ", name, " does not exist");
    if (is_archive(name) || is_csv(name)) {
      ARROW_ASSIGN_OR_RAISE(const auto facts, gristmill::look_at(name, storage_));
      return add_file(facts);
    }
    ARROW_ASSIGN_OR_RAISE(const auto all, gristmill::list_files(name, storage_, true));
    for (const auto& facts : all) {
      if (is_archive(facts.path) || is_csv(facts.path)) {
        ARROW_RETURN_NOT_OK(add_file(facts));
      } else {
        report_.listing.ignored.push_back(facts.path);
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status add_file(const gristmill::FileFacts& facts) {
    if (cancel_.cancelled()) return arrow::Status::Cancelled("the run was interrupted");
    const arrow::Status status = is_archive(facts.path) ? unpack(facts) : add_csv(facts, "", facts.path, storage_);
    return status.ok() ? status : status.WithMessage(facts.path, ": ", status.message());
  }

  arrow::Status unpack(const gristmill::FileFacts& facts) {
    ARROW_ASSIGN_OR_RAISE(const Stream archive, open_text(facts.path, storage_));
    ARROW_RETURN_NOT_OK(each_member(*archive, [&](const std::string& name, TarMember& member) -> arrow::Status {
      if (!is_csv(name)) return arrow::Status::OK();  // the manifest
      const std::string path = work_->path() + "/" + std::to_string(++unpacked_) + (name.ends_with(".gz") ? ".csv.gz" : ".csv");
      std::ofstream out(path, std::ios::binary);
      char buffer[1 << 16];
      while (member.left() > 0 && out) {
        ARROW_ASSIGN_OR_RAISE(const int64_t n, member.read(buffer, sizeof buffer));
        out.write(buffer, n);
      }
      out.close();
      if (!out) return arrow::Status::IOError("cannot write ", path, ": the disk may be full (GRISTMILL_SPILL_DIR names another place)");
      return add_csv(facts, name, path, {});
    }));
    // The rest is padding, and what tells whether the compressed text is whole.
    char rest[4096];
    for (int64_t n = 1; n > 0;) {
      ARROW_ASSIGN_OR_RAISE(n, archive->Read(sizeof rest, rest));
    }
    return arrow::Status::OK();
  }

  arrow::Status add_csv(const gristmill::FileFacts& facts, const std::string& member, const std::string& path,
                        const gristmill::StorageOptions& storage) {
    const std::string shown = facts.path + (member.empty() ? "" : " " + member);
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> columns, read_header(path, storage));
    const auto kind = kind_of(columns);
    if (!kind) {
      report_.listing.ignored.push_back(shown);
      return arrow::Status::OK();
    }
    const int k = static_cast<int>(*kind);
    ++report_.hourly[k].files;
    report_.listing.files.push_back({*kind, false, facts, member, 0, {}});
    for (const InputColumn& c : input_columns(*kind)) {
      const bool there = std::find(columns.begin(), columns.end(), c.name) != columns.end();
      if (c.optional && !there && std::string(c.name).find("_effective_") == std::string::npos)
        report_.listing.files.back().missing_columns.emplace_back(c.name);
    }
    found_[k].push_back({path, shown, std::move(columns), storage});
    return arrow::Status::OK();
  }

  // Files of equal headers are read together; their rows are held, their text is not needed any more.
  arrow::Status read_kind(Kind kind, InputFiles& out) {
    const int k = static_cast<int>(kind);
    std::map<std::pair<std::vector<std::string>, gristmill::StorageOptions>, std::vector<std::string>> alike;
    for (const CsvFile& f : found_[k]) alike[{f.columns, f.storage}].push_back(f.path);
    for (const auto& [form, paths] : alike) {
      gristmill::CsvOptions csv;
      csv.empty_is_null = false;
      csv.files.storage = form.second;
      csv.files.hive_partitioning = false;
      arrow::FieldVector fields;
      for (const std::string& name : form.first) {
        csv.schema.emplace_back(name, "string");
        fields.push_back(arrow::field(name, arrow::utf8()));
      }
      const auto held =
          gristmill::hold(csv_rows(kind, gristmill::scan_csv(paths, csv), *arrow::schema(fields)), settings_.options(), cancel_);
      if (!held.ok()) return in_payload(held.status(), found_[k]);
      ARROW_ASSIGN_OR_RAISE(const int64_t dropped, too_large(held->frame));
      report_.hourly[k].rows += held->rows;
      report_.hourly[k].too_large += dropped;
      out.rows.push_back(held->frame.filter(!col("too_large")).drop({"too_large"}));
      for (const std::string& path : paths) {
        if (path.starts_with(work_->path())) std::remove(path.c_str());
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> too_large(const Frame& rows) const {
    ARROW_ASSIGN_OR_RAISE(const gristmill::Table n,
                          rows.filter(col("too_large")).select({gristmill::count().alias("n")}).collect(settings_.options()));
    ARROW_ASSIGN_OR_RAISE(const auto data, n.arrow());
    return static_cast<const arrow::Int64Array&>(*data->column(0)->chunk(0)).Value(0);
  }

  // Unpacked files have names that nobody knows.
  static arrow::Status in_payload(const arrow::Status& status, const std::vector<CsvFile>& files) {
    std::string message = gristmill::describe_error(status);
    for (const CsvFile& f : files) {
      const size_t at = message.find(f.path);
      if (at != std::string::npos && f.path != f.shown) message.replace(at, f.path.size(), f.shown);
    }
    return arrow::Status::Invalid(message);
  }

  const Settings& settings_;
  const gristmill::StorageOptions storage_;
  const gristmill::Cancellation& cancel_;
  ClusterReport& report_;
  std::unique_ptr<WorkFolder> work_;
  std::vector<CsvFile> found_[4];
  int64_t unpacked_ = 0;
};

}  // namespace

arrow::Status read_payloads(const Settings& settings, const Job&, const gristmill::Cancellation& cancel, ClusterReport& report,
                            InputFiles (&files)[4]) {
  return Payloads(settings, cancel, report).run(files);
}

}  // namespace ocp
