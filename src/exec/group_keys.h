// Key columns of a batch in the form the hash tables compare, and back.
//
// Fixed-width keys are packed into at most four words, wide ones first, with a byte of null bits at the end when a key may be
// null; a lone 64-bit key stays one word and its nulls are kept apart. One string is a Blob; everything
// else is encoded (group_codec.h) and the bytes are a Blob. Equal keys have equal forms in every encoding, so hash and
// comparison need no types, and the key written out is a function of the group, not of which of its rows came first.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "column/selection.h"
#include "exec/group_codec.h"
#include "exec/group_row.h"
#include "expr/bind.h"

namespace gristmill::exec {

class KeyPlan {
 public:
  static arrow::Result<KeyPlan> make(const std::vector<expr::BoundPtr>& keys);

  struct Part {
    column::TypePtr type;
    column::Physical physical;
    bool nullable;
    int offset = 0;  // kWords: byte in the packed words
    int null_bit = 0;
  };
  KeyForm form = KeyForm::kNone;
  int words = 0;
  bool encoded = false;  // kBlob of an encoded row
  bool keeps_nulls_apart = false;
  int null_offset = 0;  // kWords: byte of the null bits
  std::vector<Part> parts;

  int key_bytes() const { return form == KeyForm::kWords ? 8 * words : form == KeyForm::kBlob ? 24 : 0; }

  // The key columns of groups.
  arrow::Result<std::vector<column::Column>> decode(std::span<const uint8_t* const> rows, const RowLayout& layout,
                                                    arrow::MemoryPool* pool) const;

 private:
  arrow::Result<std::shared_ptr<arrow::ArrayData>> decode_part(const Part& part, std::span<const uint8_t* const> rows,
                                                               const RowLayout& layout, arrow::MemoryPool* pool) const;
  bool pack(int null_bits);
};

// Normalised keys of n rows. Valid until the next normalise() and while the columns live.
struct KeyBatch {
  int64_t n = 0;
  const uint64_t* words[RowLayout::kMaxWords] = {};
  const Blob* blobs = nullptr;
  const uint64_t* hashes = nullptr;
  column::ValidityBits apart;  // nulls kept apart
};

// Scratch of one worker.
class KeyNormaliser {
 public:
  // `columns` have n rows each, any encoding.
  arrow::Status normalise(const KeyPlan& plan, std::span<const column::Column> columns, int64_t n, arrow::MemoryPool* pool, KeyBatch* out);

 private:
  arrow::Status pack_words(const KeyPlan& plan, int64_t n, KeyBatch* out);
  void view_blobs(int64_t n);
  void encoded_blobs(int64_t n);

  std::vector<std::shared_ptr<arrow::ArrayData>> arrays_;
  std::vector<uint64_t> words_[RowLayout::kMaxWords];
  std::vector<uint64_t> hashes_;
  std::vector<Blob> blobs_;
  EncodedRows rows_;
};

}  // namespace gristmill::exec
