// Counting the records of text files: the scan of a query that reads no column.
//
// Nobody needs the text, so pieces are read into one small buffer a worker, which stays in its cache, and are left as soon as they were
// looked through. Every worker looks through the piece it claimed as if a record began behind its first line end; of a piece only
// how many records it has stays, with what lies before the first of them and behind the last. Whoever closes a gap puts the pieces
// together in order: where what lies between two of them is no whole number of records (a line end in quotes) or quotes stand
// where they should not, the piece is read again from the record that is open, by the rules of text_blocks.h. So the answer is
// BlockCutter's, at any size of pieces.
#pragma once

#include <memory>
#include <vector>

#include "io/text_blocks.h"
#include "plan/table_source.h"

namespace gristmill::io {

// Null where the files or the request need more: compressed or remote files, a dialect with comments or escapes, a limit.
std::shared_ptr<plan::Scan> make_count_scan(const std::vector<TextFile>& files, const BlockRules& rules, const plan::ScanRequest& request);

}  // namespace gristmill::io
