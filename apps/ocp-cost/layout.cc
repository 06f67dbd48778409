// Two layouts as templates, a third from the configuration.

#include "layout.h"

#include <algorithm>
#include <set>
#include <vector>

#include <arrow/type.h>

#include "at_once.h"

namespace ocp {

using gristmill::FileFacts;

namespace {

struct Layout {
  const char* name;
  const char* hourly;
  const char* daily;     // "": none
  const char* types[4];  // of pod, storage, node_labels, namespace_labels
};

// {day} stands for every day folder of the month: rows say themselves which day they belong to.
constexpr Layout kLayouts[] = {
    {"month_folders",
     "data/parquet/{account}/OCP/{type}/source={source}/year={year}/month={month}",
     "data/parquet/daily/{account}/OCP/{type}/source={source}/year={year}/month={month}",
     {"pod_usage", "storage_usage", "node_labels", "namespace_labels"}},
    {"day_folders",
     "data/{org}/OCP/source={source}/year={year}/month={month}/day={day}/{type}",
     "",
     {"openshift_pod_usage_line_items", "openshift_storage_usage_line_items_daily", "openshift_node_labels_line_items",
      "openshift_namespace_labels_line_items"}},
};

std::string root_of(const InputSettings& input) {
  std::string root = !input.folder.empty() ? input.folder : "s3://" + input.bucket;
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  return root;
}

std::string type_of(const Settings& settings, const Layout& layout, Kind kind) {
  const auto own = settings.input.types.find(kind_name(kind));
  return own != settings.input.types.end() ? own->second : layout.types[static_cast<int>(kind)];
}

class Lister {
 public:
  Lister(const Settings& settings, const Job& job) : settings_(settings), job_(job), storage_(settings.store.options()) {}

  arrow::Status add(const std::string& pattern, const std::string& type, Kind kind, bool daily, Listing& out) {
    const std::string whole = root_of(settings_.input) + "/" + pattern;
    if (pattern.find("{day}") == std::string::npos) {
      ARROW_ASSIGN_OR_RAISE(const std::string folder, filled(whole, job_, {{"type", type}}));
      return add_folder(folder, kind, daily, out);
    }
    for (int day = 1; day <= job_.month.days(); ++day) {
      const std::string two = (day < 10 ? "0" : "") + std::to_string(day);
      ARROW_ASSIGN_OR_RAISE(const std::string folder,
                            filled(whole, job_, {{"type", type}, {"day", two}, {"day_number", std::to_string(day)}}));
      ARROW_RETURN_NOT_OK(add_folder(folder, kind, daily, out));
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status add_folder(const std::string& folder, Kind kind, bool daily, Listing& out) {
    if (std::find(out.folders.begin(), out.folders.end(), folder) != out.folders.end())
      return arrow::Status::Invalid("two kinds of input have the same folder ", folder, ": {type} is missing in the layout");
    out.folders.push_back(folder);
    ARROW_ASSIGN_OR_RAISE(auto files, gristmill::list_files(folder, storage_));
    for (FileFacts& file : files) {
      if (!file.path.ends_with(".parquet")) {
        out.ignored.push_back(file.path);
      } else if (file.bytes == 0) {
        return arrow::Status::IOError(file.path, " is empty: it is not written yet, or damaged");
      } else {
        out.files.push_back({kind, daily, std::move(file), "", 0, {}});
      }
    }
    return arrow::Status::OK();
  }

  const Settings& settings_;
  const Job& job_;
  const gristmill::StorageOptions storage_;
};

}  // namespace

arrow::Result<Listing> list_month(const Settings& settings, const Job& job) {
  const std::string root = root_of(settings.input);
  ARROW_ASSIGN_OR_RAISE(const bool there, gristmill::exists(root, settings.store.options()));
  if (!there) return arrow::Status::IOError("the input ", root, " does not exist");
  const Layout* layout = &kLayouts[0];
  for (const Layout& l : kLayouts) {
    if (settings.input.layout == l.name) layout = &l;
  }
  const bool own = !settings.input.hourly.empty() || !settings.input.daily.empty();
  const std::string hourly = own ? settings.input.hourly : layout->hourly;
  const std::string daily = !settings.input.daily_files ? "" : own ? settings.input.daily : layout->daily;
  if (hourly.empty()) return arrow::Status::Invalid("input.daily without input.hourly: node capacity comes from hourly files");
  Listing out;
  Lister lister(settings, job);
  for (const Kind kind : kKinds) {
    const std::string type = type_of(settings, *layout, kind);
    ARROW_RETURN_NOT_OK(lister.add(hourly, type, kind, false, out));
    if (!daily.empty()) ARROW_RETURN_NOT_OK(lister.add(daily, type, kind, true, out));
  }
  return out;
}

arrow::Status look_inside(Listing& listing, const gristmill::StorageOptions& storage) {
  return at_once(listing.files.size(), [&](size_t i) -> arrow::Status {
    ListedFile& file = listing.files[i];
    const gristmill::Frame rows = gristmill::scan_parquet_files({file.facts.path}, storage);
    ARROW_ASSIGN_OR_RAISE(const auto schema, rows.schema());
    file.missing_columns = missing_optional(file.kind, *schema);
    file.rows = gristmill::rows_without_reading(rows).value_or(0);
    return arrow::Status::OK();
  });
}

arrow::Status check_unchanged(const Listing& listing, const gristmill::StorageOptions& storage) {
  std::set<std::string> seen;  // members of one archive
  std::vector<const FileFacts*> files;
  for (const ListedFile& file : listing.files) {
    if (seen.insert(file.facts.path).second) files.push_back(&file.facts);
  }
  return at_once(files.size(), [&](size_t i) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const FileFacts now, gristmill::look_at(files[i]->path, storage));
    if (now == *files[i]) return arrow::Status::OK();
    return arrow::Status::IOError(files[i]->path, " was replaced while it was read; run again when nobody writes the month");
  });
}

void input_files(const Listing& listing, const gristmill::StorageOptions& storage, InputFiles (&out)[4]) {
  for (const ListedFile& file : listing.files) {
    InputFiles& of_kind = out[static_cast<int>(file.kind)];
    of_kind.storage = storage;
    (file.daily ? of_kind.daily : of_kind.hourly).push_back(file.facts.path);
  }
}

}  // namespace ocp
