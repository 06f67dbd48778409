// Tables as a person reads them.
#pragma once

#include <cstdint>
#include <string>

#include <arrow/type_fwd.h>

namespace gristmill::frame {

inline constexpr int64_t kLineCells = 120;  // where no terminal says how wide it is

// The first and the last rows, no more than `max_rows`; lines of at most `most_cells` cells, but for two columns that are wider.
// `schema`: what the user calls the columns' types; text in `data` may be views.
std::string table_text(const arrow::Table& data, const arrow::Schema& schema, int max_rows, int64_t most_cells);

}  // namespace gristmill::frame
