// The kinds of steps, a file each or a family a file; transform_kinds.cc puts them into one table.
#pragma once

#include "job/transform.h"

namespace gristmill::job {

TransformKind rename_kind();
TransformKind select_kind();
TransformKind drop_kind();
TransformKind cast_kind();
TransformKind compute_kind();
TransformKind filter_kind();
TransformKind json_kind();
TransformKind lookup_kind();

}  // namespace gristmill::job
