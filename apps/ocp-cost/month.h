// One month of one cluster: what is asked for, and by whose rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <arrow/result.h>

namespace ocp {

// The two incumbents differ in how they take NULLs; `self_hosted` is PostgreSQL's, `trino` Trino's.
enum class Mode { kSelfHosted, kTrino };

struct Month {
  std::string source_uuid;
  std::string cluster_id;
  std::string cluster_alias;
  int64_t report_period_id = 0;
  int year = 0;
  int month = 0;
  int32_t first_day = 0;  // days since 1970-01-01, both inclusive
  int32_t last_day = 0;
  Mode mode = Mode::kSelfHosted;
  bool pair_labels = false;  // Parquet labels may be `k:v|k:v`

  int days() const;             // of the whole month
  arrow::Status check() const;  // both days lie in the month, in order
};

// "2025-10-07" as days since 1970-01-01.
arrow::Result<int32_t> parse_day(const std::string& text);
std::string day_text(int32_t day);

}  // namespace ocp
