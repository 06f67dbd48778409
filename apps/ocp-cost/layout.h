// Which files a month is made of: the folders of a layout, what lies in them, and whether it is still the same at the end.
//
// Invariant: files come in byte order of their names; what was listed is what the result stands for, or the run fails.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/store.h"
#include "input.h"
#include "settings.h"

namespace ocp {

struct ListedFile {
  Kind kind = Kind::kPod;
  bool daily = false;
  gristmill::FileFacts facts;
  std::string member;                        // of an archive
  int64_t rows = 0;                          // by its footer; of CSV files not known
  std::vector<std::string> missing_columns;  // optional ones
};

struct Listing {
  std::vector<std::string> folders;  // as they were looked into
  std::vector<ListedFile> files;
  std::vector<std::string> ignored;  // of another ending
};

// An error when the root (bucket, prefix, directory) is not there; a month without files is an empty listing.
arrow::Result<Listing> list_month(const Settings& settings, const Job& job);

// Rows and optional columns of every file, by its footer; an error names the file that cannot be read.
arrow::Status look_inside(Listing& listing, const gristmill::StorageOptions& storage);

// An error when a listed file is gone or another one.
arrow::Status check_unchanged(const Listing& listing, const gristmill::StorageOptions& storage);

// Paths by kind, for the readers.
void input_files(const Listing& listing, const gristmill::StorageOptions& storage, InputFiles (&out)[4]);

}  // namespace ocp
