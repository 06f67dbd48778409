// The table of row-wise steps.

#include "job/http/enrich.h"
#include "job/steps/kinds.h"

namespace gristmill::job {

const std::vector<TransformKind>& transform_kinds() {
  static const std::vector<TransformKind> kKinds = {
      rename_kind(), cast_kind(), compute_kind(), filter_kind(), select_kind(), drop_kind(), json_kind(), lookup_kind(), enrich_kind(),
  };
  return kKinds;
}

}  // namespace gristmill::job
